"""Moves a Consul service mesh from one security posture to another: reviewed before, proven after."""
