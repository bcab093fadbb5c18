//! Requests that an application sends to an address that it was told.
