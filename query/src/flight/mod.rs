//! Flight SQL: queries over gRPC, for ADBC, JDBC and other tools of Arrow.
//!
//! Nothing is kept between calls: a handle, of a query or of a prepared statement, is the SQL itself. It gives nobody a right: each
//! method takes the [`Rights`] of whoever calls from the request, where the authentication put them. Queries run where all
//! others do, within the same limits; dropping the stream of a result ends its query.
// Methods of the trait return `Status`, which is large.
#![allow(clippy::result_large_err)]
mod info;
mod lists;
mod running;
mod types;

use crate::access::Rights;
use crate::error::{Error, Kind};
use crate::isolate::Query;
use crate::{Pool, Scanned};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, CommandGetCatalogs,
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementQuery, CommandStatementUpdate,
    ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc,
    Ticket,
};
use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use prost::Message;
use running::Running;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

/// Longest message from a client: a query in a command in a descriptor.
const MESSAGE_BYTES_MAX: usize = 4 * crate::SQL_BYTES_MAX;

/// Begins a session for whoever has these rights; what their next calls have as bearer token.
pub type BeginSession = Arc<dyn Fn(&Rights) -> String + Send + Sync>;

type DoGet<S> = Result<Response<<S as FlightService>::DoGetStream>, Status>;

/// The routes of Flight SQL, to be served over HTTP/2. Requests must have [`Rights`] among their extensions.
pub fn flight_router(pool: Arc<Pool>, begin_session: BeginSession) -> axum::Router {
    let service = FlightServiceServer::new(Flight { pool, begin_session, running: Arc::default() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    tonic::service::Routes::new(service).prepare().into_axum_router()
}

struct Flight {
    pool: Arc<Pool>,
    begin_session: BeginSession,
    running: Arc<Running>,
}

/// Who calls.
fn rights<T>(request: &Request<T>) -> Result<Rights, Status> {
    let rights = request.extensions().get::<Rights>().cloned();
    rights.ok_or_else(|| Status::unauthenticated("authentication is required"))
}

/// An error as gRPC calls it.
fn status(error: &Error) -> Status {
    let message = error.to_string();
    match error.kind {
        Kind::Sql | Kind::Request => Status::invalid_argument(message),
        Kind::ReadOnly | Kind::Forbidden => Status::permission_denied(message),
        Kind::Limit => Status::resource_exhausted(message),
        Kind::Timeout => Status::deadline_exceeded(message),
        Kind::Storage => Status::unavailable(message),
        Kind::Internal => Status::internal(message),
    }
}

fn broken(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

/// The SQL of a handle.
fn sql_of(handle: &[u8]) -> Result<&str, Status> {
    std::str::from_utf8(handle).map_err(|_| Status::invalid_argument("the handle is none of this server"))
}

/// What leads to a result: its columns, and the ticket that runs it.
fn leads(schema: &Schema, ticket: Ticket, descriptor: FlightDescriptor) -> Result<Response<FlightInfo>, Status> {
    // No location: it is here, however the client found its way.
    let endpoint = FlightEndpoint::new().with_ticket(ticket);
    let info = FlightInfo::new().try_with_schema(schema).map_err(broken)?;
    Ok(Response::new(info.with_endpoint(endpoint).with_descriptor(descriptor)))
}

/// Of a command that its ticket repeats.
fn repeats(
    command: impl ProstMessageExt,
    schema: &Schema,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    rights(&request)?;
    leads(schema, Ticket::new(command.as_any().encode_to_vec()), request.into_inner())
}

/// A result that is made at once.
fn whole(batch: RecordBatch) -> DoGet<Flight> {
    let schema = batch.schema();
    let batches = stream::iter([Ok(batch)]);
    let data = FlightDataEncoderBuilder::new().with_schema(schema).build(batches).map_err(Status::from);
    Ok(Response::new(Box::pin(data)))
}

/// A result without rows.
fn none(schema: SchemaRef) -> DoGet<Flight> {
    whole(RecordBatch::new_empty(schema))
}

impl Flight {
    /// The columns of a query, which is planned and does not run.
    async fn schema(&self, sql: &str, rights: &Rights) -> Result<SchemaRef, Status> {
        let planned = self.pool.batches(Query::schema_of(sql, rights)).await;
        planned.map(|planned| planned.schema).map_err(|error| status(&error))
    }

    /// Runs a query for whoever asks.
    async fn run(&self, handle: &[u8], rights: Rights) -> DoGet<Flight> {
        let query = Query::streamed(sql_of(handle)?, &rights);
        let (guard, cancelled) = self.running.begin(handle, &rights);
        let streamed = self.pool.stream(query, watch::Sender::<Scanned>::default());
        let streamed = tokio::select! {
            streamed = streamed => streamed.map_err(|error| status(&error))?,
            () = cancelled.notified() => return Err(Status::cancelled("the query was cancelled")),
        };
        let (schema, partial) = (Arc::clone(&streamed.schema), streamed.partial.clone());
        let rows: BoxStream<'static, Result<RecordBatch, FlightError>> =
            stream::unfold(Some((streamed, guard, cancelled)), |state| async {
                let (mut streamed, guard, cancelled) = state?;
                let next = tokio::select! {
                    next = streamed.next() => next.map_err(|error| status(&error)),
                    () = cancelled.notified() => Err(Status::cancelled("the query was cancelled")),
                };
                match next {
                    Ok(None) => None,
                    Ok(Some(batch)) => Some((Ok(batch), Some((streamed, guard, cancelled)))),
                    Err(status) => Some((Err(FlightError::Tonic(Box::new(status))), None)),
                }
            })
            .boxed();
        let data = FlightDataEncoderBuilder::new().with_schema(schema).build(rows).map_err(Status::from);
        let mut response = Response::new(Box::pin(data) as <Flight as FlightService>::DoGetStream);
        if let Some(reason) = partial
            && let Ok(reason) = crate::format::harmless(&reason).replace(|c: char| !c.is_ascii(), "?").parse()
        {
            response.metadata_mut().insert("metlog-partial", reason);
        }
        Ok(response)
    }
}

fn schema_bytes(schema: &Schema) -> Result<Bytes, Status> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into().map_err(broken)?;
    Ok(bytes)
}

fn reads_only<T>() -> Result<T, Status> {
    Err(Status::permission_denied("only queries can be run: SELECT, EXPLAIN, DESCRIBE and SHOW"))
}

#[tonic::async_trait]
impl FlightSqlService for Flight {
    type FlightService = Flight;

    /// The caller is authenticated by now, by a name and a password or by a token; from here on it is known by a session.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        let token = (self.begin_session)(&rights(&request)?);
        let answer = HandshakeResponse { protocol_version: 0, payload: Bytes::from(token.clone()) };
        let mut response: Response<Pin<Box<dyn Stream<Item = _> + Send>>> =
            Response::new(Box::pin(stream::iter([Ok(answer)])));
        let bearer = format!("Bearer {token}").parse().map_err(broken)?;
        response.metadata_mut().insert("authorization", bearer);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = self.schema(&query.query, &rights(&request)?).await?;
        let ticket = TicketStatementQuery { statement_handle: query.query.into() };
        leads(&schema, Ticket::new(ticket.as_any().encode_to_vec()), request.into_inner())
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, request: Request<Ticket>) -> DoGet<Self> {
        self.run(&ticket.statement_handle, rights(&request)?).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let schema = self.schema(&query.query, &rights(&request)?).await?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: query.query.into(),
            dataset_schema: schema_bytes(&schema)?,
            parameter_schema: schema_bytes(&Schema::empty())?,
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        _: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        rights(&request).map(drop)
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = self.schema(sql_of(&query.prepared_statement_handle)?, &rights(&request)?).await?;
        leads(&schema, Ticket::new(query.as_any().encode_to_vec()), request.into_inner())
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> DoGet<Self> {
        self.run(&query.prepared_statement_handle, rights(&request)?).await
    }

    async fn do_put_statement_update(
        &self,
        _: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        rights(&request)?;
        reads_only()
    }

    async fn do_put_prepared_statement_update(
        &self,
        _: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        rights(&request)?;
        reads_only()
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        let rights = rights(&request)?;
        let unreadable = |_| Status::invalid_argument("the query to cancel cannot be read");
        let info = FlightInfo::decode(query.info).map_err(unreadable)?;
        Ok(ActionCancelQueryResult { result: self.running.cancel(&info, &rights) })
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let rights = rights(&request)?;
        self.running.act(&request.into_inner(), &rights)
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query, &query.into_builder().schema(), request)
    }

    async fn do_get_catalogs(&self, query: CommandGetCatalogs, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        let mut builder = query.into_builder();
        builder.append(crate::snapshot::CATALOG);
        whole(builder.build().map_err(Status::from)?)
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query.clone(), &query.into_builder().schema(), request)
    }

    async fn do_get_schemas(&self, query: CommandGetDbSchemas, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        whole(lists::schemas(query)?)
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query.clone(), &query.into_builder().schema(), request)
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> DoGet<Self> {
        whole(self.tables(query, &rights(&request)?).await?)
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query, &query.into_builder().schema(), request)
    }

    async fn do_get_table_types(&self, query: CommandGetTableTypes, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        let mut builder = query.into_builder();
        lists::TABLE_TYPES.iter().for_each(|kind| builder.append(kind));
        whole(builder.build().map_err(Status::from)?)
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder(info::data(&self.pool)?).schema();
        repeats(query, &schema, request)
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        whole(query.into_builder(info::data(&self.pool)?).build().map_err(Status::from)?)
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query, &query.into_builder(types::data()?).schema(), request)
    }

    async fn do_get_xdbc_type_info(&self, query: CommandGetXdbcTypeInfo, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        whole(query.into_builder(types::data()?).build().map_err(Status::from)?)
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query, &lists::primary_keys(), request)
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        none(lists::primary_keys())
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query, &lists::foreign_keys(), request)
    }

    async fn do_get_exported_keys(&self, _: CommandGetExportedKeys, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        none(lists::foreign_keys())
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query, &lists::foreign_keys(), request)
    }

    async fn do_get_imported_keys(&self, _: CommandGetImportedKeys, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        none(lists::foreign_keys())
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        repeats(query, &lists::foreign_keys(), request)
    }

    async fn do_get_cross_reference(&self, _: CommandGetCrossReference, request: Request<Ticket>) -> DoGet<Self> {
        rights(&request)?;
        none(lists::foreign_keys())
    }

    async fn do_get_fallback(&self, request: Request<Ticket>, message: Any) -> DoGet<Self> {
        rights(&request)?;
        Err(Status::unimplemented(format!("there is nothing to get for {}", message.type_url)))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
