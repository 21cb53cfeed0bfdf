"""`python -m code_generation` is `codegen`."""

from code_generation.generation_cli import main

if __name__ == "__main__":
    main()
