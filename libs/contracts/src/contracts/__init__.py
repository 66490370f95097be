"""What we say: subjects, ids, capabilities and framing, beside the generated messages. No I/O."""
