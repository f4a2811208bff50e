"""What must hold after a test: stored keys that agree, no secret shown, nothing left over."""
