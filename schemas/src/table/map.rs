//! One value for each table.
use super::Table;
use std::ops::{Index, IndexMut};

/// One value for each table, in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableMap<T>([T; Table::COUNT]);

impl<T> TableMap<T> {
    /// Made table by table.
    pub fn of(make: impl FnMut(Table) -> T) -> TableMap<T> {
        TableMap(Table::ALL.map(make))
    }

    /// The value of a table.
    pub fn get(&self, table: Table) -> &T {
        &self.0[table as usize]
    }

    /// The value of a table.
    pub fn get_mut(&mut self, table: Table) -> &mut T {
        &mut self.0[table as usize]
    }

    /// Each table with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &T)> {
        Table::ALL.into_iter().zip(&self.0)
    }

    /// Each table with its value.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Table, &mut T)> {
        Table::ALL.into_iter().zip(&mut self.0)
    }

    /// Another value for each.
    pub fn map<U>(self, mut make: impl FnMut(Table, T) -> U) -> TableMap<U> {
        let mut tables = Table::ALL.into_iter();
        // As many tables as values: the first is never asked for twice.
        TableMap(self.0.map(|value| make(tables.next().unwrap_or(Table::ALL[0]), value)))
    }
}

impl<T> IntoIterator for TableMap<T> {
    type Item = (Table, T);
    type IntoIter =
        std::iter::Zip<std::array::IntoIter<Table, { Table::COUNT }>, std::array::IntoIter<T, { Table::COUNT }>>;

    fn into_iter(self) -> Self::IntoIter {
        Table::ALL.into_iter().zip(self.0)
    }
}

impl<T: Default> Default for TableMap<T> {
    fn default() -> Self {
        TableMap::of(|_| T::default())
    }
}

impl<T> Index<Table> for TableMap<T> {
    type Output = T;

    fn index(&self, table: Table) -> &T {
        self.get(table)
    }
}

impl<T> IndexMut<Table> for TableMap<T> {
    fn index_mut(&mut self, table: Table) -> &mut T {
        self.get_mut(table)
    }
}
