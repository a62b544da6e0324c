"""What people read: one formatter a file, none of which decides anything."""
