//! What one query sees: the names of the tables and, behind them, the same rows wherever it names one.
use crate::Hot;
use crate::error::HotError;
use crate::rows::Rows;
use crate::warehouse::Warehouse;
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider,
    TableProvider,
};
use datafusion::common::plan_err;
use datafusion::error::Result;
use metlog_schemas::tables::Table;
use std::fmt;
use std::sync::Arc;

/// The catalog's name in `information_schema`.
pub(crate) const CATALOG: &str = "metlog";
/// The schema's name in `information_schema`.
pub(crate) const SCHEMA: &str = "public";
/// Who sent, and how much of it was lost; only a running listener knows.
const SENDERS: &str = "senders";

pub(crate) struct Snapshot {
    tables: [Arc<Rows>; Table::ALL.len()],
    hot: Option<Arc<dyn Hot>>,
}

impl Snapshot {
    /// A catalog for one query.
    ///
    /// # Errors
    /// None that can be caused from outside.
    pub(crate) fn catalogs(warehouse: &Warehouse, hot: Option<&Arc<dyn Hot>>) -> Result<Arc<dyn CatalogProviderList>> {
        let tables = Table::ALL.map(|table| Arc::new(Rows::new(table, warehouse.clone(), hot.cloned())));
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(Snapshot { tables, hot: hot.cloned() }))?;
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
        let senders = self.hot.is_some().then_some(SENDERS);
        Table::ALL.into_iter().map(Table::name).chain(senders).map(str::to_owned).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        Table::from_name(name).is_some() || (name == SENDERS && self.hot.is_some())
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(at) = Table::ALL.into_iter().position(|table| table.name() == name) {
            return Ok(Some(Arc::clone(&self.tables[at]) as Arc<dyn TableProvider>));
        }
        match &self.hot {
            _ if name != SENDERS => Ok(None),
            None => plan_err!("`senders` is known to a running listener only: ask that, not the warehouse"),
            Some(hot) => {
                let batch = hot.senders().map_err(HotError)?;
                Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
            }
        }
    }
}
