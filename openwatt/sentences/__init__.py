"""The sentences of customers' messages in French and English: one file a language, the same keys in both."""
