//! One fit: shuffle → gather (and prepare) → forward → backward → check → update, epoch by epoch. After the optimizer's update the new
//! running statistics, outputs of the same step, replace the old ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nabla_data::Dataset;
use nabla_data::pipeline::{self, Prepared};
use nabla_data::prepare::Fitted;
use nabla_error::{Code, Error, Result};
use nabla_graph::{Bases, Memory, Moment, Program};
use nabla_kernels::denormals::flush_to_zero;
use nabla_kernels::team::{Member, Team};
use nabla_kernels::{Aligned, Real, reduce};
use nabla_optim::Step;
use nabla_optim::lbfgs::Curvature;

use crate::apart::Apart;
use crate::binary_targets::expect_binary;
use crate::checkpoint::Keeper;
use crate::control::{Control, Event, Listener};
use crate::examiner::{Examiner, batch};
use crate::feed::Feed;
use crate::health::{Look, Watch};
use crate::held_out::{held_out, learnt_rows};
use crate::history::{Epoch, Scores, Stopped};
use crate::job::{Job, Outcome};
use crate::lsuv::{self, UnitVariance};
use crate::model::{Model, Weights};
use crate::pace::Pace;
use crate::places::Places;
use crate::recipe::Recipe;
use crate::room::expect_room;
use crate::scorer::Scorer;
use crate::stage::Progress;
use crate::start::start_from;
use crate::update::{Buffers, STATES, Update, ranges};
use crate::zero_layers::zero_layers;

/// Below this cost of a step (in operations at full speed, some 10 µs) one thread is faster than two that meet ten times.
const SHARED_STEP: usize = 1_000_000;

/// Fits a recipe.
pub fn fit(recipe: &Arc<Recipe>, job: &Job, number: usize, threads: usize, control: &Control, listener: &Listener) -> Result<Outcome> {
    match recipe.spec.precision {
        crate::spec::Precision::F32 => Fit::<f32>::start(recipe, job, threads)?.run(job, number, control, listener),
        crate::spec::Precision::F64 => Fit::<f64>::start(recipe, job, threads)?.run(job, number, control, listener),
    }
}

/// A fit in progress.
pub(crate) struct Fit<'a, T: Real> {
    pub(crate) recipe: &'a Arc<Recipe>,
    pub(crate) train: Dataset,
    validation: Option<Dataset>,
    pub(crate) preparation: Prepared,
    pub(crate) target_preparation: Fitted,
    pub(crate) program: Arc<Program>,
    pub(crate) places: Places,
    pub(crate) memory: Memory<T>,
    pub(crate) theta: Aligned<T>,
    pub(crate) gradient: Aligned<T>,
    pub(crate) state: Vec<Aligned<T>>,
    pub(crate) update: Update<T>,
    pub(crate) curvature: Option<Curvature<T>>,
    pub(crate) team: Team,
    pace: Pace,
    pub(crate) batch: usize,
    pub(crate) step: u64,
    /// Of the last step.
    pub(crate) rate: f64,
    scaled: Vec<UnitVariance>,
    warnings: Vec<String>,
    pub(crate) watch: Option<Watch<T>>,
}

impl<'a, T: Real> Fit<'a, T> {
    pub(crate) fn start(recipe: &'a Arc<Recipe>, job: &Job, threads: usize) -> Result<Fit<'a, T>> {
        let (train, validation) = held_out(recipe, job)?;
        if train.rows() == 0 {
            return Err(Error::new(Code::InvalidData, "there are no rows to train on")
                .at("train")
                .expected("at least one row")
                .received("0 rows"));
        }
        let spec = &recipe.spec;
        let preparation = match &job.keep {
            Some(model) => model.preparation.clone(),
            None => pipeline::fit(&spec.prepare, &train)?,
        };
        let target_preparation = match &job.keep {
            Some(model) => model.target_preparation.clone(),
            None => spec.fit_targets(&train)?,
        };
        expect_binary(recipe, &train)?;
        let batch = spec.batch_size.of(train.rows());
        let program = recipe.training(batch)?;
        let places = Places::of(&program, recipe)?;
        let arena = &recipe.arena;
        expect_room::<T>(recipe, &program)?;
        let mut theta = Aligned::zeroed(arena.len)?;
        arena.initialize(spec.seed, &mut theta)?;
        if let Some(from) = &job.from {
            start_from(arena, from, &mut theta)?;
        }
        let scaled = if lsuv::wanted(recipe) {
            let feed = Feed::new(recipe, &train, &preparation, &target_preparation, true)?;
            lsuv::scale(recipe, &feed, job.from.as_deref(), &mut theta)?
        } else {
            Vec::new()
        };
        let warnings = zero_layers(&recipe.graph, arena, &theta);
        let per_epoch = learnt_rows(&train).div_ceil(batch.max(1));
        let update = Update::new(spec, &recipe.graph, arena, &theta, per_epoch)?;
        let state = (0..spec.optimizer.rule.state_count())
            .map(|_| Aligned::zeroed(arena.trained))
            .collect::<Result<_>>()?;
        let (memory, watch) = match job.health {
            Some(every) => {
                let (watch, memory) = Watch::new(recipe, &program, learnt_rows(&train), every)?;
                (memory, Some(watch))
            }
            None => (program.memory()?, None),
        };
        let members = if program.work() < SHARED_STEP { 1 } else { threads.max(1) };
        Ok(Fit {
            recipe,
            train,
            validation,
            preparation,
            target_preparation,
            places,
            memory,
            program,
            theta,
            gradient: Aligned::zeroed(arena.len)?,
            state,
            update,
            curvature: spec.optimizer.lbfgs.map(|lbfgs| Curvature::new(lbfgs, arena.len)).transpose()?,
            team: Team::new(members, crate::fits::lower_priority),
            pace: Pace::new(),
            batch,
            step: 0,
            rate: 0.0,
            scaled,
            warnings,
            watch,
        })
    }

    fn run(mut self, job: &Job, number: usize, control: &Control, listener: &Listener) -> Result<Outcome> {
        let _flush = flush_to_zero();
        let recipe = self.recipe;
        let spec = &recipe.spec;
        let (train, validation, score, test) = (self.train.clone(), self.validation.take(), job.score.as_ref(), job.test.as_ref());
        let (preparation, target_preparation) = (self.preparation.clone(), self.target_preparation.clone());
        let feed = |data| Feed::new(recipe, data, &preparation, &target_preparation, true);
        let train_feed = feed(&train)?
            .with_class_weights(spec)?
            .with_changes(&spec.augment, spec.seed, self.team.size())?;
        let validation_feed = validation.as_ref().map(&feed).transpose()?;
        let later = [score, test].map(|data| data.map(&feed).transpose());
        let [score_feed, test_feed] = later;
        let (score_feed, test_feed) = (score_feed?, test_feed?);
        let largest = [&validation_feed, &score_feed, &test_feed]
            .into_iter()
            .flatten()
            .map(|f| f.rows.len())
            .max();
        let mut examiner = largest
            .map(|rows| Examiner::<T>::new(recipe, batch::<T>(recipe, rows)?, true))
            .transpose()?;

        for warning in &self.warnings {
            listener(Event::Warning(number, warning));
        }
        let mut scorer = Scorer::new(recipe, &spec.metrics)?;
        let mut examination = Scorer::new(recipe, &spec.metrics)?;
        let mut keeper = match &job.checkpoint {
            Some(to) => Some(Keeper::new(to, spec, job)?),
            None => None,
        };
        let warn = |text: &str| listener(Event::Warning(number, text));
        let kept = keeper.as_mut().map(|keeper| keeper.latest(&warn)).transpose()?.flatten();
        let mut progress = match kept.as_ref().or(job.resume.as_deref()) {
            Some(paused) => self.go_on(paused)?,
            None => Progress::new(spec),
        };
        if kept.is_some() {
            progress.history.iter().for_each(|epoch| listener(Event::Epoch(number, epoch)));
        }
        drop(kept);
        let restore = spec.early_stopping.as_ref().is_some_and(|s| s.restore_best);
        let mut order = train_feed.rows.clone();
        let end = match progress.stopped {
            Stopped::Epochs => job.until.map_or(spec.epochs, |until| until.min(spec.epochs)),
            _ => 0,
        };
        for index in progress.history.len()..end {
            let started = Instant::now();
            if spec.shuffles() {
                train_feed.shuffle(spec.seed, index, &mut order);
            }
            let mut batches = 0;
            for rows in order.chunks(self.batch) {
                control.check()?;
                if control.stopping() {
                    progress.stopped = Stopped::Stop;
                    break;
                }
                self.learn(rows, &train_feed, &mut scorer, index)
                    .map_err(|error| self.with_health(error, &progress.history))?;
                batches += 1;
            }
            self.expect_finite_weights(index)
                .map_err(|error| self.with_health(error, &progress.history))?;
            if progress.stopped == Stopped::Stop {
                break;
            }
            self.update.epoch(spec, index, &self.theta, recipe.arena.trained);
            self.refresh_statistics((&order, index), &train_feed, control)?;
            let weights = self.update.averaged().unwrap_or(&self.theta);
            let scores = match (&validation_feed, &mut examiner) {
                (Some(feed), Some(examiner)) => Some(examiner.score(&mut self.team, weights, feed, &mut examination, control)?),
                _ => None,
            };
            let epoch = Epoch {
                index,
                train: scorer.take(),
                validation: scores,
                learning_rate: self.rate,
                batches,
                seconds: started.elapsed().as_secs_f64(),
                health: self.watch.as_mut().map(Watch::take).unwrap_or_default(),
            };
            listener(Event::Epoch(number, &epoch));
            if let (Some(stop), Some(scores)) = (&spec.early_stopping, &epoch.validation)
                && scores.get(&stop.monitor).is_some_and(f64::is_nan)
            {
                return Err(
                    Error::new(Code::NotFinite, format!("the watched value is not a number after epoch {index}"))
                        .at(format!("earlyStopping.monitor \"{}\"", stop.monitor))
                        .hint(
                            "Nothing can be chosen by it: watch the loss or another metric, hold out more rows, or prepare the features.",
                        ),
                );
            }
            self.update.judge(spec, epoch.validation.as_ref().unwrap_or(&epoch.train));
            let judgement = progress
                .watch
                .as_mut()
                .zip(epoch.validation.as_ref())
                .map(|(watch, scores)| watch.judge(index, scores));
            progress.history.push(epoch);
            if judgement.as_ref().is_some_and(|j| j.best) {
                progress.best_epoch = Some(index);
                if restore {
                    let weights = self.update.averaged().unwrap_or(&self.theta);
                    match &mut progress.best {
                        Some(kept) => kept.copy_from_slice(weights),
                        None => progress.best = Some(weights.try_clone()?),
                    }
                }
            }
            if judgement.is_some_and(|j| j.stop) {
                progress.stopped = Stopped::Early;
            }
            let over = progress.stopped == Stopped::Early || index + 1 == end;
            if let Some(keeper) = keeper.as_mut().filter(|keeper| over || keeper.is_due()) {
                keeper.write(index + 1, &self.leave(&progress)?)?;
            }
            if over {
                break;
            }
        }
        // Where it was left are the weights of the last epoch; what comes out of it may be the best one's.
        let paused = (job.until.is_some() && progress.stopped != Stopped::Stop)
            .then(|| self.leave(&progress).map(Arc::new))
            .transpose()?;
        let Progress {
            best,
            best_epoch,
            history,
            stopped,
            ..
        } = progress;
        if let Some(kept) = best {
            self.theta = kept;
        } else if let Some(averaged) = self.update.averaged() {
            self.theta.copy_from_slice(averaged);
        }
        let mut examine = |feed: &Option<Feed>| -> Result<Option<Scores>> {
            match (feed, &mut examiner) {
                (Some(feed), Some(examiner)) => examiner
                    .score(&mut self.team, &self.theta, feed, &mut examination, control)
                    .map(Some),
                _ => Ok(None),
            }
        };
        let (scores, test_scores) = (examine(&score_feed)?, examine(&test_feed)?);
        let best_epoch = best_epoch.or(history.last().map(|e| e.index));
        drop((train_feed, validation_feed, score_feed, test_feed));
        let model = Model::new(
            Arc::clone(recipe),
            train.schema(),
            self.preparation,
            self.target_preparation,
            Weights::of(self.theta),
            history,
            best_epoch,
        );
        listener(Event::Done(number));
        Ok(Outcome {
            model,
            stopped,
            scores,
            test_scores,
            scaled: self.scaled,
            warnings: self.warnings,
            taken: job.from.iter().flat_map(|from| from.keys().cloned()).collect(),
            paused,
        })
    }

    /// Threads that share a step.
    pub(crate) fn members(&self) -> usize {
        self.team.size()
    }

    /// One step on one batch. Allocates nothing once the scorer's buffers have grown, unless it is looked at.
    pub(crate) fn learn(&mut self, rows: &[u32], feed: &Feed, scorer: &mut Scorer, epoch: usize) -> Result<()> {
        let step = self.step;
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.wants(step)) else {
            return self.step(rows, feed, scorer, epoch, None).map(drop);
        };
        watch.swap(&mut self.program, &mut self.places, &mut self.memory);
        let look = watch.look(&self.places);
        let loss = self.step(rows, feed, scorer, epoch, Some(look))?;
        if let Some(watch) = &mut self.watch {
            watch.swap(&mut self.program, &mut self.places, &mut self.memory);
            watch.record(&self.recipe.arena, (step, epoch, rows.len()), loss, self.rate);
        }
        Ok(())
    }

    /// The same, looked at or not; gives the mean loss of the batch where it is.
    fn step(&mut self, rows: &[u32], feed: &Feed, scorer: &mut Scorer, epoch: usize, look: Option<Look<T>>) -> Result<f64> {
        let (n, spec) = (rows.len(), &self.recipe.spec);
        let (theta, gradient) = (Apart::of(&mut self.theta), Apart::of(&mut self.gradient));
        // SAFETY: the whole buffers, only to take their addresses; the parts are used under the rules below.
        let bases = unsafe {
            Bases::new(
                &mut self.memory,
                theta.part(0..self.recipe.arena.len),
                gradient.part(0..self.recipe.arena.len),
            )
        };
        let mut state = [const { None }; STATES];
        for (slot, buffer) in state.iter_mut().zip(&mut self.state) {
            *slot = Some(Apart::of(buffer));
        }
        let moment = Moment {
            batch: n,
            seed: spec.seed,
            step: self.step,
            rates: &self.recipe.rates,
        };
        let buffers = Buffers { theta, gradient, state };
        let turn = self.update.begin();
        let (program, places, arena) = (&self.program, &self.places, &self.recipe.arena);
        let weights = feed.batch_weights(rows);
        let looks_around = spec.optimizer.sam.is_some();
        let searches = spec.optimizer.lbfgs.is_some();
        let looks_ahead = spec.optimizer.rule.ahead(Step::first(&spec.optimizer.rule, 0.0)).is_some();
        let broken = AtomicBool::new(false);
        let step = |member: &Member| {
            // SAFETY: this fit's own memory, used by this team alone, which meets before it reads.
            unsafe { places.fill(&bases, feed, &weights, (rows, epoch), member) };
            if looks_ahead {
                // SAFETY: this fit's own buffers, used by this team alone.
                unsafe { turn.go_ahead(arena, &buffers, member) };
            }
            member.barrier();
            // SAFETY: this fit's own memory, weights and gradients, used by this team alone; n ≤ capacity, the batch size.
            unsafe { program.run(&bases, &moment, member) };
            if looks_ahead {
                member.barrier();
                // SAFETY: as above.
                unsafe { turn.come_back(arena, &buffers, member) };
            }
            if looks_around {
                // SAFETY: as above; the same batch and the same noise again, at the worst point nearby.
                unsafe {
                    turn.look_around(spec, arena, &buffers, member);
                    member.barrier();
                    program.run(&bases, &moment, member);
                    member.barrier();
                    turn.come_back(arena, &buffers, member);
                }
            }
            member.barrier();
            for (_, range) in ranges(arena, member, true) {
                // SAFETY: gradients are only read until the next step.
                if !reduce::all_finite(unsafe { gradient.part(range) }) {
                    broken.store(true, Ordering::Relaxed);
                }
            }
            if member.rank() == 0 {
                let mut values = places.updates.iter().map(|(place, _)| place).chain([&places.loss]);
                // SAFETY: losses and new statistics are only read until the next step.
                if !values.all(|place| reduce::all_finite(unsafe { bases.read(place, n) })) {
                    broken.store(true, Ordering::Relaxed);
                }
            }
            member.barrier();
            if broken.load(Ordering::Relaxed) {
                return;
            }
            if let Some(look) = &look {
                // SAFETY: the program is done, and the team meets before anybody writes weights or gradients.
                unsafe { look.before(&bases, arena, (theta, gradient), n, member) };
                member.barrier();
            }
            if searches {
                return;
            }
            // SAFETY: this fit's own buffers, used by this team alone; nobody reads the weights before the next step, or the next barrier.
            unsafe { turn.run(spec, arena, &buffers, member) };
            if let Some(look) = &look {
                member.barrier();
                // SAFETY: the update is done.
                unsafe { look.after(arena, theta, member) };
            }
        };
        if self.team.size() == 1 {
            step(&Member::alone());
        } else {
            let (together, started) = (self.pace.together(), Instant::now());
            if together {
                self.team.run(&step)
            } else {
                step(&Member::alone())
            }
            if look.is_none() {
                self.pace.took(started.elapsed());
            }
        }
        feed.check()?;
        if broken.into_inner() {
            // SAFETY: the team is done; nothing was updated, so the same step can be looked at again.
            let found = unsafe { program.run_checked(&bases, &moment) };
            return Err(self.not_finite(found, rows, epoch));
        }
        self.step += 1;
        for (place, row) in &places.updates {
            // SAFETY: the team is done.
            arena.write(&arena.rows[*row], unsafe { bases.read(place, n) }, &mut self.theta)?;
        }
        self.rate = self.update.learning_rate();
        self.update.done(spec);
        let loss = match look {
            // SAFETY: the team is done.
            Some(_) => unsafe { weighted(&bases, places, n) },
            None => 0.0,
        };
        if searches {
            self.search(rows, feed, scorer)?;
            if let Some(look) = &look {
                // SAFETY: the search is done.
                unsafe { look.after(&self.recipe.arena, Apart::of(&mut self.theta), &Member::alone()) };
            }
            return Ok(loss);
        }
        // SAFETY: the team is done.
        let (losses, output) = unsafe { (bases.read(&places.loss, n), places.output.as_ref().map(|p| bases.read(p, n))) };
        scorer.update(feed, rows, losses, output)?;
        Ok(loss)
    }

    /// One step of L-BFGS: the inputs of the batch lie in the program, its loss and gradient are computed. Losses and outputs are taken in
    /// first, for the search evaluates elsewhere.
    fn search(&mut self, rows: &[u32], feed: &Feed, scorer: &mut Scorer) -> Result<()> {
        let (n, places, program) = (rows.len(), &self.places, &self.program);
        // SAFETY: nobody writes them now.
        let weighted = |bases: &Bases<T>| -> f64 { unsafe { weighted(bases, places, n) } };
        let bases = Bases::new(&mut self.memory, &mut self.theta, &mut self.gradient);
        // SAFETY: the team is done.
        let (losses, output) = unsafe { (bases.read(&places.loss, n), places.output.as_ref().map(|p| bases.read(p, n))) };
        scorer.update(feed, rows, losses, output)?;
        let loss = weighted(&bases) + self.update.penalize(&self.recipe.arena, &self.theta, &mut self.gradient);
        let moment = Moment {
            batch: n,
            seed: self.recipe.spec.seed,
            step: self.step - 1,
            rates: &self.recipe.rates,
        };
        let (memory, team, update, arena) = (&mut self.memory, &mut self.team, &self.update, &self.recipe.arena);
        let mut evaluate = |theta: &mut [T], gradient: &mut [T]| -> Result<f64> {
            let bases = Bases::new(memory, theta, gradient);
            // SAFETY: this fit's own memory, weights and gradients, used by this team alone.
            let run = |member: &Member| unsafe { program.run(&bases, &moment, member) };
            if team.size() == 1 {
                run(&Member::alone());
            } else {
                team.run(&run);
            }
            Ok(weighted(&bases) + update.penalize(arena, theta, gradient))
        };
        let Some(curvature) = &mut self.curvature else { return Ok(()) };
        curvature.rate = self.rate;
        curvature.step(&mut self.theta, loss, &mut self.gradient, &mut evaluate)
    }
}

/// Σ weight · loss over the rows of a batch: their mean.
///
/// # Safety
/// Nobody writes them meanwhile.
unsafe fn weighted<T: Real>(bases: &Bases<T>, places: &Places, n: usize) -> f64 {
    // SAFETY: as the caller promises.
    let (losses, weights) = unsafe { (bases.read(&places.loss, n), bases.read(&places.weights, n)) };
    losses.iter().zip(weights).map(|(l, w)| l.to_f64() * w.to_f64()).sum()
}
