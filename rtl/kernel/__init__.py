"""A kernel: access patterns and a mode, and how common products become one."""
