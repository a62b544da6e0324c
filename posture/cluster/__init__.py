"""A Kubernetes cluster as it is: how it is reached, whether a stack may be put there, what its mesh answers."""
