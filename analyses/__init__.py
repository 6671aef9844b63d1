"""The evaluation: the plan, fixed before this code met a real extract, and one module per question."""
