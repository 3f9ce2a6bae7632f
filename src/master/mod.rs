//! The only loop that performs the supervisor's actions.
