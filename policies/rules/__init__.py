"""The rules, one a file; each file holds `RULE` and an example that it allows and one that it refuses.

An example is YAML as `posture policy` reads it: config entries in Consul's words, Kubernetes objects, or a Pulumi
program's resources.
"""
