//! A headless Chromium that is told what to do, and tells what it thinks of it.
//!
//! It is spoken to by its own protocol over one WebSocket (`devtools`): a page's errors and requests are heard as they
//! happen, and no driver beside the browser is needed. Crates that know the whole protocol take longer to compile than
//! everything here together. No page reaches any host but this one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::wait::holds_within;

mod axe;
mod binary;
mod devtools;

use devtools::{Devtools, Heard};

/// How long anything on a page may take that is waited for.
const SOON: Duration = Duration::from_secs(10);

/// How long the browser may take to end.
const END_DEADLINE: Duration = Duration::from_secs(10);

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--mute-audio",
    "--remote-debugging-port=0",
    // Whatever a page asks for, nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "about:blank",
];

/// What the system would ask pages for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// As style sheets call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A running browser with an empty profile. It is killed when dropped, so it must not live in a `static`.
#[derive(Debug)]
pub struct Browser {
    devtools: Devtools,
    process: Process,
    // Declared after the process, which must be gone before its files are.
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Panics
    ///
    /// When none can be found or installed; the message names the ways out.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let mut folder = std::ffi::OsString::from("--user-data-dir=");
        folder.push(profile.path());
        let process = Process::program(binary::find().await)
            .arg(folder)
            .args(FLAGS)
            .start()
            .await;
        let line = process
            .wait_for_line(|line| line.starts_with("DevTools listening on "))
            .await;
        let url = line.rsplit(' ').next().unwrap_or_default();
        Self {
            devtools: Devtools::connect(url).await,
            process,
            _profile: profile,
        }
    }

    /// Opens an empty page with a session and a cache of its own, of so many pixels in width and height.
    pub async fn page(&self, (width, height): (u32, u32), scheme: Scheme) -> Page {
        let devtools = self.devtools.clone();
        let context = devtools
            .call("Target.createBrowserContext", json!({}), None)
            .await;
        let page = json!({ "url": "about:blank", "browserContextId": context["browserContextId"] });
        let target = devtools.call("Target.createTarget", page, None).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = devtools.call("Target.attachToTarget", attach, None).await;
        let session = attached["sessionId"].as_str().expect("a session has an id");
        let page = Page {
            heard: devtools.listen(session),
            session: session.to_owned(),
            devtools,
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme.name() });
        page.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        )
        .await;
        let hidden = json!({ "hidden": true });
        page.call("Emulation.setScrollbarsHidden", hidden).await;
        page.resize(width, height).await;
        page
    }

    /// Ends the browser and waits until it has.
    pub async fn stop(mut self) {
        self.devtools.send("Browser.close", json!({}), None).await;
        self.process.wait_exit(END_DEADLINE).await;
    }
}

/// One page of a browser.
#[derive(Debug)]
pub struct Page {
    devtools: Devtools,
    session: String,
    heard: Heard,
}

impl Page {
    /// Goes to an address, and waits until the document is loaded.
    pub async fn open(&self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url })).await;
        assert_eq!(gone.get("errorText"), None, "{url}");
        self.comes_true("document.readyState === 'complete'").await;
    }

    /// What an expression gives; a promise is waited for.
    ///
    /// # Panics
    ///
    /// When it throws.
    pub async fn evaluate(&self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", asked).await;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}\n{thrown:#}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression gives something true, and returns that.
    ///
    /// # Panics
    ///
    /// When it takes too long; the message holds what the page has complained of.
    pub async fn comes_true(&self, expression: &str) -> Value {
        let mut value = Value::Null;
        let guarded =
            format!("(() => {{ try {{ return {expression} }} catch {{ return null }} }})()");
        let comes = holds_within(SOON, async || {
            value = self.evaluate(&guarded).await;
            !matches!(value, Value::Null | Value::Bool(false)) && value != 0 && value != ""
        });
        if !comes.await {
            let text = self.evaluate("document.body.innerText").await;
            let complaints = self.complaints();
            panic!("this did not become true: {expression}\n{complaints:#?}\n{text}");
        }
        value
    }

    /// Waits until an element shows a text, which may be a part of its own.
    pub async fn shows(&self, selector: &str, text: &str) {
        let wanted = json!(text);
        self.comes_true(&format!("{}.innerText.includes({wanted})", one(selector)))
            .await;
    }

    /// Clicks on an element with the mouse, once it is there and nothing lies over it.
    pub async fn click(&self, selector: &str) {
        let element = one(selector);
        let place = self
            .comes_true(&format!(
                "(() => {{ const element = {element}; element.scrollIntoView({{ block: 'center' }}); \
                 const box = element.getBoundingClientRect(); \
                 const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]; \
                 return element.contains(document.elementFromPoint(x, y)) && [x, y] }})()"
            ))
            .await;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Presses a key by its name, such as `Tab`, `Enter` or `/`.
    pub async fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            other => (u32::from(*other.as_bytes().first().unwrap_or(&0)), other),
        };
        let mut event = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code });
        if !text.is_empty() {
            event["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event).await;
    }

    /// Types a text into what has the focus.
    pub async fn enter(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Makes the page another size, in pixels.
    pub async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Writes a picture of the whole page, from its top, into a folder under `target/`, and returns its path.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub async fn picture(&self, name: &str) -> PathBuf {
        self.evaluate("scrollTo(0, 0)").await;
        let asked = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", asked).await;
        let picture = picture["data"].as_str().expect("a picture has data");
        let picture = BASE64_STANDARD.decode(picture).expect("the data is base64");
        let path = crate::install::target_dir()
            .join("pages")
            .join(format!("{name}.png"));
        let write = |path: &Path| {
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
            std::fs::write(path, picture)
        };
        write(&path).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// What axe finds wrong for people who cannot see or point, a line for each rule.
    ///
    /// # Panics
    ///
    /// When axe cannot be fetched; the message says why.
    pub async fn barriers(&self) -> Vec<String> {
        if self.evaluate("typeof axe").await == "undefined" {
            self.evaluate(&format!("{}\n;0", axe::script().await)).await;
        }
        let found = self.evaluate(axe::RUN).await;
        let lines = found.as_array().expect("a list");
        lines
            .iter()
            .filter_map(|line| line.as_str().map(str::to_owned))
            .collect()
    }

    /// Errors and warnings in the console so far.
    pub fn complaints(&self) -> Vec<String> {
        self.heard.complaints()
    }

    /// The addresses of everything the page has asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.heard.requests()
    }

    /// When the first text or picture was painted, after the beginning of the navigation.
    pub async fn first_paint(&self) -> Duration {
        let painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime";
        let milliseconds = self.comes_true(painted).await;
        Duration::from_secs_f64(milliseconds.as_f64().unwrap_or_default() / 1e3)
    }

    async fn call(&self, method: &str, parameters: Value) -> Value {
        let session = Some(self.session.as_str());
        self.devtools.call(method, parameters, session).await
    }
}

fn one(selector: &str) -> String {
    format!("document.querySelector({})", json!(selector))
}
