"""What the treatments of branches do, on digits and on Fashion-MNIST: docs/effects.md."""
