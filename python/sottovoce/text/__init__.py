"""Text and the ids of one model's vocabulary: tokenizer, vocabulary files, languages.

Deliberately not here: byte pairs, which are the core's; which tokens a window starts with or must
not say, which is policy.
"""
