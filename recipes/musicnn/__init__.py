"""The published taggers of musicnn, rewritten from TensorFlow."""
