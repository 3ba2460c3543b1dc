"""Real recordings, out of Debian's packages: cut into windows, and tagged by musicnn."""
