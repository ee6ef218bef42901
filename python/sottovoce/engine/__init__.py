"""Who answers the requests of policy: one recording alone (sequential) or many at once (batch).

The network is called here, and the thread that works ahead lives here (worker). Which window comes
next, and whether its result is good enough, is decided in policy/.
"""
