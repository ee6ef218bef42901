"""Text and the ids of one model's vocabulary: tokenizer, byte pairs, vocabulary files, languages.

Deliberately not here: which tokens a window starts with or must not say; that is policy.
"""
