//! What processes share: arena, scoreboard, counters, seqlock.
