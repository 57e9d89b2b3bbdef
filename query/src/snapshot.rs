//! What one query sees: the names of the tables and, behind them, the same rows wherever it names one.
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
    tables: [Arc<FactTable>; Table::ALL.len()],
    source: Option<Arc<dyn Source>>,
}

impl Snapshot {
    /// A catalog for one query.
    ///
    /// # Errors
    /// None that can be caused from outside.
    pub(crate) fn catalogs(
        warehouse: &Warehouse,
        source: Option<&Arc<dyn Source>>,
    ) -> Result<Arc<dyn CatalogProviderList>> {
        let shared = Arc::new(Shared { source: source.cloned(), hot: OnceCell::new() });
        let tables = Table::ALL.map(|table| Arc::new(FactTable::new(table, warehouse.clone(), Arc::clone(&shared))));
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(Snapshot { tables, source: source.cloned() }))?;
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
        Table::ALL.into_iter().map(Table::name).chain(senders).map(str::to_owned).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        Table::from_name(name).is_some() || (name == SENDERS && self.source.is_some())
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(at) = Table::ALL.into_iter().position(|table| table.name() == name) {
            return Ok(Some(Arc::clone(&self.tables[at]) as Arc<dyn TableProvider>));
        }
        match &self.source {
            _ if name != SENDERS => Ok(None),
            None => plan_err!("`senders` is known to a running listener only: ask that, not the warehouse"),
            Some(source) => {
                let batch = source.senders().await.map_err(HotError)?;
                Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
            }
        }
    }
}
