//! What an accounting export is asked for a KPI: which accounts, which side counts, movement or balance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A sum over accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerQuery {
    pub accounts: Vec<Accounts>,
    pub sign: Side,
    pub reads: Reads,
    /// Dimension and column; a dimension that is not named is the column of its own name.
    pub labels: Vec<(String, String)>,
}

/// Accounts by the beginning of their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    pub prefix: String,
    /// These don't count, whatever else names them.
    pub excluded: bool,
}

/// The side whose amounts count as positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Debit,
    Credit,
}

/// What is made of the amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// What was entered on the days of a bucket.
    Movement,
    /// Where the accounts stand at the end of a day.
    Balance,
}

/// A well-known figure of the French chart of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Class 70, credit less debit: sales less the rebates of 709.
    Revenue,
    /// Operating charges, 60 to 65 and 681, debit less credit.
    Cost,
    /// Staff costs, 64, debit less credit.
    Payroll,
    /// What customers owe: the balance of 411.
    Customers,
    /// What is owed to suppliers: the balance of 401.
    Suppliers,
    /// Money at banks and in the till: the balance of 51 and 53.
    Cash,
}

impl Figure {
    /// As it is written in full, without labels.
    pub fn query(self) -> LedgerQuery {
        let (accounts, sign, reads): (&[&str], _, _) = match self {
            Figure::Revenue => (&["70"], Side::Credit, Reads::Movement),
            Figure::Cost => (&["60", "61", "62", "63", "64", "65", "681"], Side::Debit, Reads::Movement),
            Figure::Payroll => (&["64"], Side::Debit, Reads::Movement),
            Figure::Customers => (&["411"], Side::Debit, Reads::Balance),
            Figure::Suppliers => (&["401"], Side::Credit, Reads::Balance),
            Figure::Cash => (&["51", "53"], Side::Debit, Reads::Balance),
        };
        let accounts = accounts.iter().map(|prefix| Accounts { prefix: (*prefix).to_owned(), excluded: false });
        LedgerQuery { accounts: accounts.collect(), sign, reads, labels: Vec::new() }
    }
}

impl LedgerQuery {
    /// Whether an account counts.
    pub fn names(&self, account: &str) -> bool {
        let named = |excluded| {
            let mut accounts = self.accounts.iter().filter(move |accounts| accounts.excluded == excluded);
            accounts.any(|accounts| account.starts_with(&accounts.prefix))
        };
        named(false) && !named(true)
    }
}

#[cfg(test)]
mod tests {
    use super::{Accounts, LedgerQuery, Reads, Side};

    #[test]
    fn accounts_by_prefix() {
        let accounts = [("70", false), ("709", true), ("71", false)];
        let accounts = accounts.map(|(prefix, excluded)| Accounts { prefix: prefix.to_owned(), excluded }).to_vec();
        let query = LedgerQuery { accounts, sign: Side::Credit, reads: Reads::Movement, labels: Vec::new() };
        for (account, counts) in
            [("70", true), ("706000", true), ("7097", false), ("71", true), ("7", false), ("607", false)]
        {
            assert_eq!(query.names(account), counts, "{account}");
        }
    }
}
