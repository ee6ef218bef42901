"""What to hear next and what to make of it: openai-whisper's behaviour as pure functions.

Windows, prompts, retries, segments and cuts. Nothing here calls the network, reads a file or waits:
where an answer of the network is needed, a generator yields a request (`EncodeRequest`,
`DecodeRequest`) and whoever runs it, in engine/, sends the answer. So the same decisions serve one
recording and many at once, and tests need no weights.
"""
