"""Many runs: several at a time, in processes of their own."""
