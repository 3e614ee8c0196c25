use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;
use crate::bus::{Bus, Outgoing};
use crate::live::bucket::key_subject;
use crate::live::read_subject;
use crate::subject::Subject;

fn at(begin: Instant, ms: u64) -> Instant {
    begin + Duration::from_millis(ms)
}

/// The moments of looks, in milliseconds, until none is due within ten seconds.
fn looks(agenda: &mut Agenda, begin: Instant, outcomes: &[Outcome]) -> Vec<u64> {
    let mut looks = Vec::new();
    for outcome in outcomes {
        let ms = agenda.due.duration_since(begin).as_millis();
        looks.push(u64::try_from(ms).expect("soon"));
        agenda.looked(agenda.due, *outcome, LOOK_EVERY);
    }
    looks
}

#[test]
fn a_key_of_which_nothing_is_heard_is_looked_at_twice_a_minute() {
    let begin = Instant::now();
    let mut agenda = Agenda::new(begin);
    let outcomes = [Outcome::New, Outcome::Same, Outcome::Same];
    assert_eq!(looks(&mut agenda, begin, &outcomes), [0, 30_000, 60_000]);
}

#[test]
fn after_a_hint_it_is_looked_at_until_something_new_is_found() {
    let begin = Instant::now();
    let mut agenda = Agenda::new(begin);
    agenda.looked(begin, Outcome::New, LOOK_EVERY);
    agenda.hint(at(begin, 1_000));
    let refused = [Outcome::Same; 5];
    let expected = [1_000, 1_100, 2_000, 6_000, 36_000];
    assert_eq!(looks(&mut agenda, begin, &refused), expected);
    agenda.hint(at(begin, 40_000));
    let found = [Outcome::Same, Outcome::New, Outcome::Same];
    let expected = [40_000, 40_100, 70_100];
    assert_eq!(looks(&mut agenda, begin, &found)[..2], expected[..2]);
    // What was refused by the bucket last keeps its place in the round.
    assert_eq!(agenda.due, at(begin, 100_100));
}

#[test]
fn many_hints_are_as_good_as_one() {
    let begin = Instant::now();
    let mut agenda = Agenda::new(begin);
    agenda.looked(begin, Outcome::Same, LOOK_EVERY);
    for ms in 1..20 {
        agenda.hint(at(begin, ms));
    }
    assert_eq!(agenda.due, begin + REST);
}

#[test]
fn a_bucket_that_does_not_answer_is_asked_less_and_less_often() {
    let begin = Instant::now();
    let mut agenda = Agenda::new(begin);
    let expected = [0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000];
    assert_eq!(looks(&mut agenda, begin, &[Outcome::Silent; 8]), expected);
    agenda.looked(agenda.due, Outcome::Same, LOOK_EVERY);
    let due = agenda.due;
    agenda.looked(due, Outcome::Silent, LOOK_EVERY);
    assert_eq!(agenda.due, due + AGAIN);
}

/// Answers as the stream of a bucket does. There is none on the embedded bus, and a real one cannot be made to lie.
#[derive(Debug, Default)]
struct Stream {
    revision: AtomicU64,
    answer: Mutex<String>,
}

const EMPTY: &str = r#"{"error":{"code":404,"err_code":10037}}"#;
const MISSING: &str = r#"{"error":{"code":404,"err_code":10059}}"#;

impl Stream {
    /// Holds the text `one` from now on, as another revision.
    fn put(&self) {
        let revision = self.revision.fetch_add(1, Ordering::Relaxed) + 1;
        let time = "2026-11-25T21:03:23Z";
        self.say(&format!(
            r#"{{"message":{{"seq":{revision},"data":"b25l","time":"{time}"}}}}"#
        ));
    }

    fn say(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().expect("no holder panics"));
    }

    async fn serve(self: Arc<Self>, bus: Bus) {
        let subject = read_subject("b");
        let mut questions = bus.subscribe(&subject, None, 16).await.expect("room");
        tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                let to = question.reply.expect("a request");
                let payload = self.answer.lock().expect("no holder panics").clone();
                send(&bus, to, payload.into()).await;
            }
        });
    }
}

async fn send(bus: &Bus, subject: Subject, payload: Bytes) {
    let outgoing = Outgoing {
        payload,
        ..Outgoing::empty(subject)
    };
    bus.publish(outgoing, std::time::Instant::now())
        .await
        .expect("open");
}

/// A stream, and somebody who follows a key in it.
async fn followed() -> (Arc<Stream>, Follower, Bus) {
    let bus = Bus::embedded();
    let stream = Arc::new(Stream::default());
    stream.say(EMPTY);
    Arc::clone(&stream).serve(bus.clone()).await;
    let bucket = Bucket::new(bus.clone(), "b").expect("a good name");
    (stream, bucket.follow("k"), bus)
}

async fn hint(bus: &Bus) {
    hint_at(bus, "k").await;
}

async fn hint_at(bus: &Bus, key: &str) {
    let subject = Subject::parse(key_subject("b", key)).expect("a good subject");
    send(bus, subject, "refused".into()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_put_is_seen_and_never_what_was_only_heard() {
    let (stream, mut follower, bus) = followed().await;
    assert_eq!(follower.look().await, Some(Entry::default()));
    assert_eq!(follower.look().await, None);
    let begin = Instant::now();
    hint(&bus).await;
    // The stream stores it after the first look.
    let storing = async {
        tokio::time::sleep(Duration::from_millis(90)).await;
        stream.put();
    };
    let (entry, ()) = tokio::join!(follower.next(), storing);
    assert_eq!(
        (entry.revision, entry.document().map(Bytes::as_ref)),
        (1, Some(&b"one"[..]))
    );
    assert!(
        begin.elapsed() < Duration::from_millis(200),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_heard_of_is_found_within_half_a_minute() {
    let (stream, mut follower, _bus) = followed().await;
    follower.look().await;
    let begin = Instant::now();
    stream.put();
    assert_eq!(follower.next().await.revision, 1);
    assert_eq!(begin.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_to_another_key_is_no_hint() {
    let (stream, mut follower, bus) = followed().await;
    follower.look().await;
    let begin = Instant::now();
    stream.put();
    hint_at(&bus, "other").await;
    assert_eq!(follower.next().await.revision, 1);
    assert_eq!(begin.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_gone_changes_nothing_and_one_that_was_made_anew_is_followed() {
    let (stream, mut follower, bus) = followed().await;
    stream.put();
    assert_eq!(follower.look().await.map(|entry| entry.revision), Some(1));
    stream.say(MISSING);
    assert_eq!(follower.look().await, None);
    stream.revision.store(0, Ordering::Relaxed);
    stream.say(r#"{"message":{"seq":1,"data":"b25l","time":"later"}}"#);
    hint(&bus).await;
    // The same number, and yet another entry.
    assert_eq!(follower.next().await.revision, 1);
    stream.say(EMPTY);
    hint(&bus).await;
    assert_eq!(follower.next().await, Entry::default());
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_put_in_force_is_seen_once_more() {
    let (stream, mut follower, _bus) = followed().await;
    stream.put();
    let entry = follower.next().await;
    let begin = Instant::now();
    follower.again();
    assert_eq!(follower.next().await, entry);
    assert_eq!(begin.elapsed(), AGAIN);
}
