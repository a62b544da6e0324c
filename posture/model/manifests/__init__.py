"""The Kubernetes objects that a posture, its application and Consul consist of; pure, one kind of object a file."""
