//! Users over HTTP, kept in memory: `cargo run --bin users`, then
//! `curl --json '{"name":"Ada","email":"ada@example.org"}' localhost:8080/users`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metropolis::{Context, Fault, Settings, Worker};
use metropolis_gateway::Gateway;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// More than this many users are refused: nothing grows without a bound, not even an example.
const USERS_MAX: usize = 10_000;

/// What the worker provides to every task that takes `&Users`. A real service would hold a connection pool here.
#[derive(Default)]
struct Users(Mutex<BTreeMap<Uuid, User>>);

impl Users {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A user as everybody sees one.
#[derive(Clone, Serialize, JsonSchema)]
struct User {
    id: Uuid,
    name: String,
    email: String,
}

#[derive(Deserialize, JsonSchema)]
struct NewUser {
    #[schemars(length(min = 1, max = 100))]
    name: String,
    #[schemars(length(min = 3, max = 200))]
    email: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct UserKey {
    id: Uuid,
}

#[derive(Deserialize, JsonSchema)]
struct Rename {
    id: Uuid,
    #[schemars(length(min = 1, max = 100))]
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Page {
    /// Only users whose name starts so.
    prefix: Option<String>,
    /// How many at most.
    #[serde(default = "Page::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
}

impl Page {
    fn limit() -> usize {
        20
    }
}

#[derive(Debug, Serialize, thiserror::Error, metropolis::Fault)]
enum UserFault {
    #[error("no user {id}")]
    #[fault(status = 404, code = "user_not_found")]
    NotFound { id: Uuid },
    #[error("there are {USERS_MAX} users; no more are taken")]
    #[fault(status = 507, code = "users_full")]
    Full,
}

/// Adds a user.
#[metropolis::task(subject = "users", queue = "users", status = 201)]
async fn add_user(users: &Users, ctx: &Context, new: NewUser) -> Result<User, Fault> {
    let mut users = users.lock();
    if users.len() >= USERS_MAX {
        return Err(UserFault::Full.into());
    }
    let id = Uuid::new_v4();
    let user = User {
        id,
        name: new.name,
        email: new.email,
    };
    users.insert(id, user.clone());
    ctx.set_reply_header("location", format!("/users/{id}"))?;
    Ok(user)
}

/// Lists users, sorted by id.
#[metropolis::task(subject = "users.get", queue = "users")]
async fn list_users(users: &Users, page: Page) -> Vec<User> {
    let prefix = page.prefix.unwrap_or_default();
    let users = users.lock();
    let matching = users.values().filter(|user| user.name.starts_with(&prefix));
    matching.take(page.limit).cloned().collect()
}

/// Looks a user up by id.
#[metropolis::task(subject = "users.{id}.get", queue = "users", timeout = "2s")]
async fn get_user(users: &Users, key: UserKey) -> Result<User, UserFault> {
    users
        .lock()
        .get(&key.id)
        .cloned()
        .ok_or(UserFault::NotFound { id: key.id })
}

/// Gives a user another name.
#[metropolis::task(
    subject = "users.rename",
    queue = "users",
    http = "PUT /users/{id}/name"
)]
async fn rename_user(users: &Users, rename: Rename) -> Result<User, UserFault> {
    let mut users = users.lock();
    let user = users
        .get_mut(&rename.id)
        .ok_or(UserFault::NotFound { id: rename.id })?;
    user.name = rename.name;
    Ok(user.clone())
}

/// Removes a user.
#[metropolis::task(subject = "users.{id}.delete", queue = "users")]
async fn remove_user(users: &Users, key: UserKey) -> Result<(), UserFault> {
    let removed = users.lock().remove(&key.id);
    removed
        .map(|_| ())
        .ok_or(UserFault::NotFound { id: key.id })
}

#[tokio::main]
async fn main() -> Result<(), metropolis::RunError> {
    let settings = Settings::from_env()?;
    let bus = metropolis::connect(&settings, "gateway").await?;
    let worker = Worker::configured(bus.clone(), &settings).provide(Users::default());
    Gateway::configured(bus, &settings)
        .with_worker(worker)
        .run()
        .await
}
