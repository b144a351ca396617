"""The parts of the plan in `accelerator_plan.py`, in the order in which they are needed."""
