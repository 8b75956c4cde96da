//! A service that adapts the weights of a layer and remembers how they came about. Over TCP, a line
//! is a request and is answered by a line:
//!
//! ```text
//! adapt ROW COL DELTA   adds to a weight, as a step of its own: the number of the step
//! at STEP ROW COL       the weight as of that step
//! history ROW COL       the weight after each step that changed it
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use temporal_vdb::{
    Delta, Dtype, Region, StoreOptions, StoredLayer, TemporalStore, TemporalVDBStorage,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const LAYER: &str = "fc1";
const ROWS: i32 = 64;
const COLS: i32 = 64;

struct Service {
    store: TemporalStore,
    layer: StoredLayer,
    /// The latest step. Locked while the next one is committed: time moves forward.
    latest: Mutex<usize>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live-weights: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, address] = arguments.as_slice() else {
        return Err("usage: live-weights STORE.tvdb ADDRESS:PORT".into());
    };
    let service = Arc::new(Service::open(path).await?);
    let listener = TcpListener::bind(address).await?;
    println!("{path} is served on {}", listener.local_addr()?);

    // Every answered step is on the disk, so there is nothing to save at the end.
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let (connection, _) = connection?;
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    if let Err(error) = service.serve(connection).await {
                        eprintln!("live-weights: {error}");
                    }
                });
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

impl Service {
    async fn open(path: &str) -> Result<Self> {
        let store = TemporalStore::open_or_create(path, StoreOptions::default()).await?;
        if store.layers().await?.is_empty() {
            store.create_layer(LAYER, Dtype::F32, ROWS, COLS).await?;
        }
        Ok(Service {
            layer: store.layer(LAYER).await?,
            latest: Mutex::new(store.steps().await?.last().map_or(0, |step| step.step)),
            store,
        })
    }

    async fn serve(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let (requests, mut answers) = connection.split();
        let mut requests = BufReader::new(requests).lines();
        while let Some(request) = requests.next_line().await? {
            let answer = self.answer(&request).await;
            let answer = answer.unwrap_or_else(|error| format!("error: {error}"));
            answers.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: &str) -> Result<String> {
        let words: Vec<&str> = request.split_whitespace().collect();
        match words.as_slice() {
            ["adapt", row, col, by] => {
                let change = (row.parse()?, col.parse()?, by.parse()?);
                let (rows, cols) = self.layer.shape();
                let delta = Delta::from_triplets(rows, cols, [change])?;
                let mut latest = self.latest.lock().await;
                let step = self.store.begin_step(*latest + 1).changes(LAYER, &delta);
                step.commit().await?;
                *latest += 1;
                Ok(format!("step {latest}"))
            }
            ["at", step, row, col] => {
                let (row, col): (i32, i32) = (row.parse()?, col.parse()?);
                let region = Region::new(row..row.saturating_add(1), col..col.saturating_add(1));
                let weights = self.layer.dense_in_region(step.parse()?, region).await?;
                Ok(weights.values[0].to_string())
            }
            ["history", row, col] => {
                let (row, col) = (row.parse()?, col.parse()?);
                let history = self.layer.weight_history(row, col).await?;
                let entries = history
                    .iter()
                    .map(|(step, weight)| format!("{step}:{weight}"));
                Ok(entries.collect::<Vec<_>>().join(" "))
            }
            _ => Err("adapt ROW COL DELTA, at STEP ROW COL or history ROW COL".into()),
        }
    }
}
