"""Applications, postures and the Consul config entries they compile to. Pure: reads YAML, touches nothing else."""
