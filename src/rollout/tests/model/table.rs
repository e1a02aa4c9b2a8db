//! What is kept of a search: values by number, and what was worked out before.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, RwLock};

/// Values by number, each once.
pub(super) struct Table<T> {
    known: Mutex<HashMap<T, u32>>,
    values: RwLock<Vec<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { known: Mutex::default(), values: RwLock::default() }
    }
}

impl<T: Copy + Eq + Hash> Table<T> {
    pub(super) fn number(&self, value: T) -> u32 {
        let mut known = self.known.lock().unwrap();
        *known.entry(value).or_insert_with(|| {
            let mut values = self.values.write().unwrap();
            values.push(value);
            u32::try_from(values.len() - 1).unwrap()
        })
    }
    pub(super) fn value(&self, number: u32) -> T {
        self.values.read().unwrap()[number as usize]
    }
    pub(super) fn len(&self) -> usize {
        self.values.read().unwrap().len()
    }
}

/// What was worked out before.
pub(super) struct Memo<K, V>(RwLock<HashMap<K, V>>);

impl<K, V> Memo<K, V> {
    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap().len()
    }
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Memo<K, V> {
    pub(super) fn has(&self, key: &K) -> bool {
        self.0.read().unwrap().contains_key(key)
    }
    pub(super) fn get<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(found) = self.0.read().unwrap().get(key) {
            return Ok(found.clone());
        }
        let made = make()?;
        self.0.write().unwrap().insert(*key, made.clone());
        Ok(made)
    }
}
