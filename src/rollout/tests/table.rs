//! Every step against every event.
