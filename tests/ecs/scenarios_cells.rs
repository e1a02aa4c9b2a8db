//! Every cell of the table, as it is and with the controller killed between its calls.

use crate::scenarios_table as table;
use crate::{scenarios_kills as kills, scenarios_row as row};

macro_rules! play {
    ($($test:ident: $rows:ident,)*) => {
        mod as_it_is {
            use super::{row, table};
            $(#[tokio::test]
            async fn $test() {
                row::play(table::$rows()).await;
            })*
        }
        mod killed {
            use super::{kills, table};
            $(#[tokio::test]
            async fn $test() {
                kills::play(table::$rows()).await;
            })*
        }
    };
}

play! {
    what_tasks_do: tasks,
    what_the_circuit_breaker_does: circuit_breaker,
    the_circuit_breaker_with_nothing_to_go_back_to: nothing_to_go_back_to,
    what_others_do: others,
    reads_that_lag_and_flap: odd_reads,
    answers_that_do_not_come: lost_answers,
    calls_that_are_refused: refusals,
    values_that_nobody_knows: unknown_values,
    what_is_gone: gone,
}
