//! Which stages share a task, and which tasks share an array.
//!
//! Stages at the same depth of the graph that ask for the same resources form one array. Small stages are packed: a task
//! computes several of them one after the other.

use std::collections::{BTreeMap, HashMap};

use super::settings::{Resources, Settings};

/// A stage to be submitted.
#[derive(Debug, Clone)]
pub(super) struct Needed<'a> {
    /// Its position in the plan.
    pub(super) stage: usize,
    pub(super) kind: &'a str,
    /// The positions of its inputs.
    pub(super) inputs: &'a [usize],
    /// How long such a stage took before, if that is known.
    pub(super) seconds: Option<f64>,
}

/// The tasks of one array, each with the positions of its stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) resources: Resources,
    pub(super) tasks: Vec<Vec<usize>>,
}

/// The arrays for these stages, which are in the order of the plan. Each array comes after those it depends on.
pub(super) fn groups(needed: &[Needed<'_>], settings: &Settings) -> Vec<Group> {
    let mut depths: HashMap<usize, usize> = HashMap::new();
    let mut groups: BTreeMap<(usize, Resources), Vec<&Needed<'_>>> = BTreeMap::new();
    for one in needed {
        // Inputs come before their readers.
        let depth = one.inputs.iter().filter_map(|input| depths.get(input)).max().map_or(0, |depth| depth + 1);
        depths.insert(one.stage, depth);
        groups.entry((depth, settings.resources(one.kind))).or_default().push(one);
    }
    let arrays = groups.into_iter().flat_map(|((_, resources), stages)| {
        let tasks = packed(&stages, settings);
        let some = tasks.chunks(settings.max_array).map(<[_]>::to_vec).collect::<Vec<_>>();
        some.into_iter().map(move |tasks| Group { resources: resources.clone(), tasks })
    });
    arrays.collect()
}

/// The stages of one array, task by task.
fn packed(stages: &[&Needed<'_>], settings: &Settings) -> Vec<Vec<usize>> {
    let mut tasks: Vec<Vec<usize>> = Vec::new();
    let (mut seconds, mut room) = (0.0, 0);
    for one in stages {
        let most = settings.pack(one.kind);
        let target = settings.minutes_per_task.map(|minutes| 60.0 * minutes);
        // Without a number and without a time, a stage is alone.
        let (most, cost) = match (most, target, one.seconds) {
            (most, Some(target), Some(seconds)) => (most.unwrap_or(usize::MAX), seconds / target),
            (Some(most), ..) => (most, 0.0),
            (None, ..) => (1, 1.0),
        };
        let fits = room > 0 && most > 1 && seconds + cost <= 1.0;
        if let Some(task) = tasks.last_mut().filter(|task| fits && task.len() < most) {
            task.push(one.stage);
            seconds += cost;
            room = room.min(most) - 1;
        } else {
            tasks.push(vec![one.stage]);
            seconds = cost;
            room = most - 1;
        }
    }
    tasks
}

/// What an array waits for.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    /// For each job, the tasks that each task of the array waits for.
    jobs: BTreeMap<u64, Job>,
}

#[derive(Debug, Default)]
struct Job {
    /// Number of tasks of the job.
    tasks: usize,
    /// Whether nothing of the job has failed.
    is_whole: bool,
    /// Pairs of a task of the array and a task of the job.
    pairs: Vec<(usize, usize)>,
}

/// Maximum number of single tasks in a dependency on a job. With more, the whole job is waited for.
const MOST_SINGLE: usize = 64;

impl Upstream {
    /// Notes that a task of the array waits for a task of a job.
    pub(super) fn add(&mut self, own: usize, (job, task): (u64, usize), tasks: usize, is_whole: bool) {
        let job = self.jobs.entry(job).or_default();
        (job.tasks, job.is_whole) = (tasks, is_whole);
        job.pairs.push((own, task));
    }

    /// The argument of `--dependency` for an array of `tasks` tasks. If the shapes agree, each task waits for its own
    /// counterpart only.
    pub(super) fn dependency(&self, tasks: usize) -> String {
        let parts = self.jobs.iter().map(|(id, job)| {
            if job.tasks == tasks && tasks > 1 && job.pairs.iter().all(|(own, task)| own == task) {
                return format!("aftercorr:{id}");
            }
            let mut single: Vec<usize> = job.pairs.iter().map(|(_, task)| *task).collect();
            single.sort_unstable();
            single.dedup();
            if job.is_whole && (single.len() == job.tasks || single.len() > MOST_SINGLE) {
                return format!("afterok:{id}");
            }
            let single: Vec<String> = single.into_iter().map(|task| format!("{id}_{task}")).collect();
            format!("afterok:{}", single.join(":"))
        });
        parts.collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::of(toml::from_str(text).unwrap())
    }

    fn stage<'a>(stage: usize, kind: &'a str, inputs: &'a [usize]) -> Needed<'a> {
        Needed { stage, kind, inputs, seconds: None }
    }

    fn tasks(groups: &[Group]) -> Vec<Vec<Vec<usize>>> {
        groups.iter().map(|group| group.tasks.clone()).collect()
    }

    #[test]
    fn a_depth_and_its_resources_are_an_array() {
        let needed = [
            stage(0, "train", &[]),
            stage(1, "unlearn", &[0]),
            stage(2, "evaluate", &[1]),
            stage(3, "evaluate", &[0]),
            stage(4, "train", &[]),
        ];
        assert_eq!(
            tasks(&groups(&needed, &settings(""))),
            [vec![vec![0], vec![4]], vec![vec![1], vec![3]], vec![vec![2]]]
        );
        let apart = settings("[kind.unlearn]\ngpus = 1");
        assert_eq!(tasks(&groups(&needed, &apart)).len(), 4, "a stage with a GPU is in an array of its own");
        let short = settings("max-array = 1");
        assert_eq!(tasks(&groups(&needed, &short)).len(), 5);
    }

    #[test]
    fn tasks_are_packed_by_number_and_by_time() {
        let needed: Vec<Needed<'_>> = (0..7).map(|at| stage(at, "evaluate", &[])).collect();
        let lengths = |needed: &[Needed<'_>], text: &str| {
            groups(needed, &settings(text))[0].tasks.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&needed, "pack = 3"), [3, 3, 1]);
        assert_eq!(lengths(&needed, "minutes-per-task = 5"), [1; 7], "nothing is known of their time");
        let timed: Vec<Needed<'_>> = needed.iter().map(|one| Needed { seconds: Some(100.0), ..one.clone() }).collect();
        assert_eq!(lengths(&timed, "minutes-per-task = 5"), [3, 3, 1]);
        assert_eq!(lengths(&timed, "minutes-per-task = 5\npack = 2"), [2, 2, 2, 1]);
        assert_eq!(lengths(&timed, "minutes-per-task = 1"), [1; 7], "a long stage is alone");
        let mixed: Vec<Needed<'_>> =
            timed.iter().map(|one| Needed { seconds: (one.stage != 1).then_some(100.0), ..one.clone() }).collect();
        assert_eq!(lengths(&mixed, "minutes-per-task = 5"), [1, 1, 3, 2]);
    }

    #[test]
    fn a_task_waits_for_its_counterpart_if_the_shapes_agree() {
        let of = |pairs: &[(usize, usize)], tasks: usize, is_whole: bool, own: usize| {
            let mut upstream = Upstream::default();
            for (one, other) in pairs {
                upstream.add(*one, (9, *other), tasks, is_whole);
            }
            upstream.dependency(own)
        };
        assert_eq!(of(&[(0, 0), (1, 1)], 2, true, 2), "aftercorr:9");
        assert_eq!(of(&[(0, 1), (1, 0)], 2, true, 2), "afterok:9");
        assert_eq!(of(&[(0, 0), (1, 0)], 1, true, 2), "afterok:9");
        assert_eq!(of(&[(0, 2), (1, 2), (1, 0)], 3, true, 2), "afterok:9_0:9_2");
        assert_eq!(of(&[(0, 0), (1, 1)], 3, false, 2), "afterok:9_0:9_1");
        let many: Vec<(usize, usize)> = (0..70).map(|task| (0, task)).collect();
        assert_eq!(of(&many, 100, true, 1), "afterok:9");
        assert_eq!(Upstream::default().dependency(3), "");
    }
}
