"""The two-stage chain: its tables, a policy on it, exact values, trajectories, and the split of a gain."""
