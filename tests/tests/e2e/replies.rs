//! Exactly one terminal reply for every accepted request, whatever its task does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use metropolis::bus::Outgoing;
use metropolis::subject::Subject;
use metropolis::wire::{Headers, NOT_STARTED, Reply, TIMEOUT_MS};
use metropolis::{Bus, CallError, Fault};
use metropolis_tests::{eventually, within};
use tokio::sync::Semaphore;

use crate::parts::{on_both_buses, serving};

#[metropolis::task(subject = "replies.value")]
async fn value() -> u8 {
    1
}

#[metropolis::task(subject = "replies.panics")]
async fn panics() {
    panic!("on purpose");
}

#[metropolis::task(subject = "replies.panics.later")]
async fn panics_later() {
    tokio::task::yield_now().await;
    panic!("on purpose");
}

#[metropolis::task(subject = "replies.hangs", timeout = "200ms")]
async fn hangs() {
    std::future::pending().await
}

#[metropolis::task(subject = "replies.overflows")]
async fn overflows() -> String {
    "x".repeat(2 << 20)
}

#[metropolis::task(subject = "replies.lines")]
async fn lines() -> Result<(), Fault> {
    Err(Fault::new(
        418,
        "tea\r\npot",
        "one\r\nNats-Service-Error-Code: 200\r\n\r\ntwo",
    ))
}

#[metropolis::task(subject = "replies.blocks.forever", blocking, timeout = "200ms")]
fn blocks_long() {
    std::thread::sleep(Duration::from_millis(600));
}

#[tokio::test]
async fn every_request_gets_exactly_one_reply() {
    let tasks = serving::<value>().and::<panics>().and::<panics_later>();
    let tasks = tasks.and::<hangs>().and::<overflows>().and::<lines>();
    on_both_buses([tasks.and::<blocks_long>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let expected: BTreeMap<&str, &str> = [
            ("replies.value", "1"),
            ("replies.panics", "500 internal"),
            ("replies.panics.later", "500 internal"),
            ("replies.hangs", "504 timed_out"),
            ("replies.overflows", "500 reply_too_large"),
            ("replies.lines", "418 tea\r\npot"),
            ("replies.blocks.forever", "504 timed_out"),
        ]
        .into();
        let witness = &parts.witness;
        let mut inbox = witness
            .subscribe("_INBOX.replies.*", None, 1024)
            .await
            .unwrap();
        for (at, subject) in expected.keys().enumerate() {
            publish(witness, subject, &format!("_INBOX.replies.{at}")).await;
        }
        let mut answers = BTreeMap::new();
        for _ in 0..expected.len() {
            let incoming = within(Duration::from_secs(10), inbox.next()).await.unwrap();
            let at: usize = incoming
                .subject
                .as_str()
                .rsplit('.')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let subject = *expected.keys().nth(at).unwrap();
            let earlier = answers.insert(
                subject,
                shown(Reply::decode(incoming.headers, incoming.payload)),
            );
            assert_eq!(earlier, None, "{subject} answered twice");
        }
        assert_eq!(
            answers,
            expected
                .into_iter()
                .map(|(subject, text)| (subject, text.to_owned()))
                .collect()
        );
        // Whatever a call still did after its reply is over once the worker has stopped; none may have replied again.
        worker.stop().await;
        parts.settle().await;
        assert!(inbox.try_next().is_none(), "a second reply came");
    })
    .await;
}

fn shown(reply: Reply) -> String {
    match reply {
        Reply::Success(success) => String::from_utf8(success.payload.to_vec()).unwrap(),
        Reply::Fault(fault) => format!("{} {}", fault.status(), fault.code()),
        Reply::NotStarted(why) => format!("{why:?}"),
    }
}

async fn publish(bus: &Bus, subject: &str, reply: &str) {
    let outgoing = Outgoing {
        subject: Subject::parse(subject.to_owned()).unwrap(),
        reply: (!reply.is_empty()).then(|| Subject::parse(reply.to_owned()).unwrap()),
        headers: Headers::new(),
        payload: "".into(),
    };
    bus.publish(outgoing, Instant::now() + Duration::from_secs(5))
        .await
        .unwrap();
}

static GATE: Semaphore = Semaphore::const_new(0);
static STARTED: AtomicUsize = AtomicUsize::new(0);

#[metropolis::task(subject = "replies.gate", concurrency = 2)]
async fn gate() {
    STARTED.fetch_add(1, Ordering::SeqCst);
    GATE.acquire().await.expect("never closed").forget();
}

#[tokio::test]
async fn past_its_places_and_its_wait_room_a_task_is_busy_at_once() {
    on_both_buses([serving::<gate>()], async |parts| {
        STARTED.store(0, Ordering::SeqCst);
        let worker = parts.worker().start().await.unwrap();
        let client = parts.client();
        let calls: Vec<_> = (0..10)
            .map(|_| tokio::spawn(client.call::<gate>(&()).into_future()))
            .collect();
        // Two run and two wait; the other six are told at once.
        eventually(Duration::from_secs(5), async || {
            calls.iter().filter(|call| call.is_finished()).count() == 6
        })
        .await;
        assert_eq!(STARTED.load(Ordering::SeqCst), 2);
        GATE.add_permits(4);
        let (mut done, mut busy) = (0, 0);
        for call in calls {
            match within(Duration::from_secs(5), call).await.unwrap() {
                Ok(()) => done += 1,
                Err(CallError::Busy { retry_after, .. }) if !retry_after.is_zero() => busy += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!((done, busy, STARTED.load(Ordering::SeqCst)), (4, 6, 4));
        worker.stop().await;
    })
    .await;
}

static RAN: AtomicUsize = AtomicUsize::new(0);

#[metropolis::task(subject = "replies.counted")]
async fn counted() -> Result<(), Fault> {
    RAN.fetch_add(1, Ordering::SeqCst);
    Err(Fault::new(400, "counted", "counted"))
}

#[tokio::test]
async fn expired_work_and_forbidden_replies_never_start_and_a_publish_runs() {
    on_both_buses([serving::<counted>()], async |parts| {
        RAN.store(0, Ordering::SeqCst);
        let worker = parts.worker().start().await.unwrap();
        let mut headers = Headers::new();
        headers.append(TIMEOUT_MS, "0").unwrap();
        let subject = Subject::parse("replies.counted").unwrap();
        let expired = Outgoing {
            subject,
            reply: None,
            headers,
            payload: "".into(),
        };
        let answer = parts
            .witness
            .request(expired, Instant::now() + Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(answer.headers.get(NOT_STARTED), Some("expired"));

        for reply in [
            "$JS.API.STREAM.DELETE.X",
            "metropolis.leave.a",
            "replies.counted",
            "somewhere.else",
        ] {
            publish(&parts.witness, "replies.counted", reply).await;
        }
        parts.settle().await;
        // A call that comes after them on one subscription ends after they were looked at.
        let error = parts.client().call::<counted>(&()).await.unwrap_err();
        assert_eq!(error.fault().unwrap().code(), "counted");
        assert_eq!(RAN.load(Ordering::SeqCst), 1);

        parts.client().publish::<counted>(&()).await.unwrap();
        eventually(Duration::from_secs(5), async || {
            RAN.load(Ordering::SeqCst) == 2
        })
        .await;
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_stop_answers_what_still_runs_when_its_time_is_up_and_what_still_waits() {
    on_both_buses([serving::<endless>()], async |parts| {
        let worker = parts
            .worker()
            .with_stop_timeout(Duration::from_millis(300))
            .start()
            .await
            .unwrap();
        let client = parts.client();
        let runs = tokio::spawn(client.call::<endless>(&()).into_future());
        within(Duration::from_secs(5), ENDLESS.acquire())
            .await
            .unwrap()
            .forget();
        let waits = tokio::spawn(client.call::<endless>(&()).into_future());
        // A third call is told that every place is taken, which says that the second one waits by now.
        eventually(Duration::from_secs(5), async || {
            let third = client
                .call::<endless>(&())
                .with_timeout(Duration::from_millis(50));
            matches!(third.await, Err(CallError::Busy { .. }))
        })
        .await;
        worker.stop().await;
        let error = within(Duration::from_secs(5), runs)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(
            error.fault().map(|fault| (fault.status(), fault.code())),
            Some((503, "stopped")),
            "{error:?}"
        );
        let error = within(Duration::from_secs(5), waits)
            .await
            .unwrap()
            .unwrap_err();
        assert!(matches!(error, CallError::Busy { .. }), "{error:?}");
    })
    .await;
}

static ENDLESS: Semaphore = Semaphore::const_new(0);

#[metropolis::task(subject = "replies.endless", concurrency = 1)]
async fn endless() {
    ENDLESS.add_permits(1);
    std::future::pending().await
}
