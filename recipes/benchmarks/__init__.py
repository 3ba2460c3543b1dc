"""Measurements that come with the package: what the notebook on scaling reads."""
