"""The captioner: a small GPT-2 with an audio prefix, trained on captions and questions, and its evaluation."""
