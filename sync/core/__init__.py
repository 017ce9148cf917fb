"""The pure core: values, rules and wire parsing. No I/O, no clock, no environment, no SDK, no logger."""
