"""What the section on interventions draws of branches: their curves and their effects."""
