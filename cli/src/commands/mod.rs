//! One file for each command, named as on the command line.
pub mod check;
pub mod ddl;
pub mod decode;
pub mod query;
pub mod replay;
pub mod send;
pub mod status;
pub mod tail;
pub mod up;
