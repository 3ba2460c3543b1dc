"""The music of the clip set: one function a clip, named like it."""
