//! What `metlog query` says of results that are not whole, with a server that was made for it.
use crate::running::run;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::ipc::writer::StreamWriter;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;
use std::sync::Arc;

/// Rows 1 to 3 as the server sends them.
fn rows() -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Asks a server that answers one request with these headers and this body, of which it says that it has `length` bytes.
fn answered(headers: &str, body: &[u8], length: usize) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{headers}\r\n").into_bytes();
    let response = [&response, body].concat();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4_096];
        let mut text = String::new();
        while !text.contains("select 1") {
            let read = stream.read(&mut request).unwrap();
            text.push_str(&String::from_utf8_lossy(&request[..read]));
        }
        stream.write_all(&response).unwrap();
    });
    let output = run(&["query", "--server", &address, "--format", "csv", "select 1"]);
    server.join().unwrap();
    output
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_partial_result_is_marked() {
    let rows = rows();
    let output = answered("metlog-partial: the store does not answer\r\n", &rows, rows.len());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "n\n1\n2\n3\n");
    assert_eq!(said(&output), "partial result: the store does not answer\n");
    assert_eq!(said(&answered("", &rows, rows.len())), "");
}

/// Guarantees: rows are printed as they come; where the rest does not come, that is an error and not a shorter result.
#[test]
fn a_result_that_is_cut_off_is_an_error() {
    let rows = rows();
    for (sent, length) in [(rows.len() - 9, rows.len()), (rows.len() - 9, rows.len() - 9), (0, 0)] {
        let output = answered("", &rows[..sent], length);
        assert_eq!(output.status.code(), Some(1), "{sent} of {length}");
        assert!(said(&output).contains("the result is cut off"), "{}", said(&output));
    }
}
