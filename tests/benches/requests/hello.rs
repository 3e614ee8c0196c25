//! Start and memory of the example that is worker and gateway in one process.
