"""The policy pack: what a posture may not do, one rule a file of `rules/`.

The engine runs it (`pulumi preview --policy-pack policies`), and so do `posture policy` and `posture preview`.
Importing it starts nothing; only `__main__.py` does. It imports `posture.model` and nothing else of the project.
"""
