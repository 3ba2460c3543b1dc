"""Judge generated music: does it do what the prompt says, is it like real music, is it various, is it new?"""
