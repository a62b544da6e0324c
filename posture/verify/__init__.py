"""The mesh's own answers beside the model's: only traffic proves that a change has arrived."""
