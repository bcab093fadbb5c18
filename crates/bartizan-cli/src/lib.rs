//! bartizan-cli
