//! What one query sees: the names of the tables and, behind them, the same rows wherever it names one.
use crate::access::{self, Filtered, Rights};
use crate::error::HotError;
use crate::hot::Source;
use crate::hot_scan::HotView;
use crate::rows::FactTable;
use crate::warehouse::Warehouse;
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider,
    TableProvider,
};
use datafusion::common::plan_err;
use datafusion::error::Result;
use metlog_schemas::table::Table;
use std::fmt;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The catalog's name in `information_schema`.
pub(crate) const CATALOG: &str = "metlog";
/// The schema's name in `information_schema`.
pub(crate) const SCHEMA: &str = "public";
/// Who sent, and how much of it was lost; only a running listener knows.
const SENDERS: &str = "senders";

/// What all tables of a query have in common: the moment that they are seen at.
pub(crate) struct Shared {
    source: Option<Arc<dyn Source>>,
    /// Taken when they are first needed, and then the same for every table, wherever the query names it.
    hot: OnceCell<Arc<HotView>>,
}

impl Shared {
    pub(crate) async fn hot(&self) -> Result<Option<&Arc<HotView>>> {
        let Some(source) = &self.source else { return Ok(None) };
        let take = || async {
            let moment = source.take().await.map_err(HotError)?;
            Result::Ok(Arc::new(HotView::new(moment)))
        };
        self.hot.get_or_try_init(take).await.map(Some)
    }
}

pub(crate) struct Snapshot {
    /// Those that the user sees.
    tables: Vec<(Table, Arc<dyn TableProvider>)>,
    source: Option<Arc<dyn Source>>,
    rights: Arc<Rights>,
}

impl Snapshot {
    /// A catalog for one query, with what these rights allow.
    ///
    /// # Errors
    /// None that can be caused from outside.
    pub(crate) fn catalogs(
        warehouse: &Warehouse,
        source: Option<&Arc<dyn Source>>,
        rights: &Rights,
    ) -> Result<Arc<dyn CatalogProviderList>> {
        let shared = Arc::new(Shared { source: source.cloned(), hot: OnceCell::new() });
        let rights = Arc::new(rights.clone());
        let seen = |table: Table| {
            let rows = Arc::new(FactTable::new(table, warehouse.clone(), Arc::clone(&shared)));
            Some((table, Filtered::of(table, rows, &rights)?))
        };
        let tables = Table::ALL.into_iter().filter_map(seen).collect();
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(
            SCHEMA,
            Arc::new(Snapshot { tables, source: source.cloned(), rights: Arc::clone(&rights) }),
        )?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        Ok(Arc::new(catalogs))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("tables", &self.tables).finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for Snapshot {
    fn table_names(&self) -> Vec<String> {
        let senders = self.source.is_some().then_some(SENDERS);
        self.tables.iter().map(|(table, _)| table.name()).chain(senders).map(str::to_owned).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.iter().any(|(table, _)| table.name() == name) || (name == SENDERS && self.source.is_some())
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some((_, table)) = self.tables.iter().find(|(table, _)| table.name() == name) {
            return Ok(Some(Arc::clone(table)));
        }
        match &self.source {
            _ if name != SENDERS => Ok(None),
            None => plan_err!("`senders` is known to a running listener only: ask that, not the warehouse"),
            Some(source) => {
                let batch = access::senders(source.senders().await.map_err(HotError)?, &self.rights)?;
                Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
            }
        }
    }
}
