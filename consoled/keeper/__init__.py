"""What must not die: forks children, holds their ptys and spools, reaps them."""
