//! The update of the weights after a backward pass: penalties, clipping, the rule with each parameter's own settings, proximal steps,
//! constraints, slow and averaged weights; side by side in a team.
//!
//! Where one setting holds for all parameters and no option is on, the rule passes once over the whole trained arena and nothing else
//! happens. Sums over parameters are taken in blocks and added by a tree, both fixed by the arena, so that the bits do not depend on the
//! team. Every stage writes only a member's own part; a barrier stands where a stage reads what others wrote.

use std::ops::Range;

use nabla_error::{Error, Result};
use nabla_graph::Graph;
use nabla_kernels::team::Member;
use nabla_kernels::{Aligned, PANEL, Real};
use nabla_optim::carry::{Carry, Reader};
use nabla_optim::clip::{self, BLOCK, block_sum_squares, tree_of};
use nabla_optim::penalty::Terms;
use nabla_optim::schedule::{Clock, Plateau, Schedule};
use nabla_optim::{Optimizer, Step};
use nabla_params::{Arena, Layout};

use crate::apart::Apart;
use crate::gradient_noise;
use crate::history::Scores;
use crate::pattern::matches;
use crate::spec::{Averaging, Clip, FitSpec};
use crate::units::{Along, Units};

/// The most state buffers that a rule has.
pub const STATES: usize = 4;

/// How one parameter is updated.
#[derive(Clone, Debug, PartialEq)]
struct Setting {
    rule: Optimizer,
    /// Of the rate.
    factor: f64,
    terms: Terms,
}

/// Part of one parameter whose sum one member takes.
#[derive(Clone, Debug)]
struct Block {
    row: usize,
    range: Range<usize>,
}

/// The plan of the update, with what is carried from step to step.
#[derive(Debug)]
pub struct Update<T: Real> {
    /// One a row of the arena.
    settings: Vec<Setting>,
    uniform: bool,
    by_row: bool,
    smooth: bool,
    clip: Option<Clip>,
    /// Parameters with a largest norm.
    constrained: Vec<Units>,
    /// The same over axes of the user's choice.
    along: Vec<Along>,
    /// All parameters, for the adaptive clip.
    units: Vec<Units>,
    blocks: Vec<Block>,
    /// The blocks of each row.
    of_row: Vec<Range<usize>>,
    /// Two sums a block.
    sums: Vec<f64>,
    at: Step,
    clock: Clock,
    plateau: Plateau,
    /// Weights of Lookahead, and of SAM before it looks around.
    slow: Option<Aligned<T>>,
    saved: Option<Aligned<T>>,
    average: Option<Average<T>>,
}

#[derive(Debug)]
struct Average<T: Real> {
    weights: Aligned<T>,
    /// How many weights are in it.
    count: u64,
    /// The first epoch whose weights are in it (`swa`).
    first_epoch: usize,
}

/// What an update carries from step to step, besides the rule's state.
#[derive(Debug)]
pub struct Carried<T: Real> {
    at: Step,
    step: u64,
    plateau: Plateau,
    slow: Option<Aligned<T>>,
    average: Option<(Aligned<T>, u64)>,
}

impl<T: Real> Carried<T> {
    /// Writes it down.
    pub fn write(&self, carry: &mut Carry<T>) -> Result<()> {
        self.at.leave(carry);
        carry.count(self.step);
        self.plateau.leave(carry);
        carry.maybe(self.slow.as_ref())?;
        carry.maybe(self.average.as_ref().map(|(weights, _)| weights))?;
        carry.count(self.average.as_ref().map_or(0, |(_, count)| *count));
        Ok(())
    }

    /// As it was written down.
    pub fn read(from: &mut Reader<T>) -> Result<Self> {
        let (at, step, plateau, slow) = (Step::read(from)?, from.count()?, Plateau::read(from)?, from.maybe()?);
        let (weights, count) = (from.maybe()?, from.count()?);
        Ok(Self {
            at,
            step,
            plateau,
            slow,
            average: weights.map(|weights| (weights, count)),
        })
    }

    /// How many numbers its buffers hold.
    pub fn len(&self) -> usize {
        let averaged = self.average.as_ref().map(|(weights, _)| weights);
        [self.slow.as_ref(), averaged].into_iter().flatten().map(|b| b.len()).sum()
    }

    /// Whether it is of so many weights.
    pub fn fits(&self, len: usize) -> bool {
        let averaged = self.average.as_ref().map(|(weights, _)| weights);
        [self.slow.as_ref(), averaged].into_iter().flatten().all(|b| b.len() == len)
    }
}

/// What a team works on during one update.
#[derive(Clone, Copy)]
pub struct Buffers<T> {
    /// The weights.
    pub theta: Apart<T>,
    /// Their gradients.
    pub gradient: Apart<T>,
    /// The rule's state.
    pub state: [Option<Apart<T>>; STATES],
}

/// The first group that names a parameter decides.
fn setting(spec: &FitSpec, graph: &Graph, name: &str) -> Setting {
    let rule = &spec.optimizer.rule;
    let parameter = graph.parameters.iter().find(|p| p.name == name);
    let decays = parameter.is_some_and(|p| p.decay);
    let group = spec.groups.iter().find(|g| matches(&g.pattern, name));
    let decay = group.and_then(|g| g.weight_decay).or(rule.decay()).filter(|_| decays);
    let mut terms = Terms::default();
    for r in &spec.regularizers {
        let named = r.parameters.as_ref().map(|names| names.iter().any(|n| n == name));
        if named.unwrap_or(decays) {
            terms.add(&r.penalty);
        }
    }
    Setting {
        rule: rule.with_decay(decay.unwrap_or(0.0)),
        factor: group.and_then(|g| g.learning_rate).map_or(1.0, |rate| rate / rule.learning_rate()),
        terms,
    }
}

impl<T: Real> Update<T> {
    /// For the parameters of a recipe, their first values, and so many steps.
    pub fn new(spec: &FitSpec, graph: &Graph, arena: &Arena, theta: &Aligned<T>, per_epoch: usize) -> Result<Update<T>> {
        let rule = &spec.optimizer.rule;
        let settings: Vec<Setting> = arena.rows.iter().map(|row| setting(spec, graph, &row.spec.name)).collect();
        let trained = || arena.rows.iter().enumerate().filter(|(_, row)| row.spec.trainable);
        let first = trained().next().map_or(0, |(i, _)| i);
        let alike = trained().all(|(i, _)| settings[i] == settings[first]);
        let by_row = rule.by_row();
        let (mut blocks, mut of_row) = (Vec::new(), vec![0..0; arena.rows.len()]);
        if by_row || matches!(spec.clip, Some(Clip::Norm(_) | Clip::GlobalNorm(_))) || spec.optimizer.sam.is_some() {
            for (row, r) in trained() {
                let first = blocks.len();
                blocks.extend((0..r.len.div_ceil(BLOCK)).map(|i| Block {
                    row,
                    range: r.offset + i * BLOCK..r.offset + r.len.min((i + 1) * BLOCK),
                }));
                of_row[row] = first..blocks.len();
            }
        }
        let any = |is: &dyn Fn(&Terms) -> bool| trained().any(|(i, _)| is(&settings[i].terms));
        let units = |is: &dyn Fn(usize) -> bool| trained().filter(|(i, _)| is(*i)).flat_map(|(i, row)| Units::of(i, row)).collect();
        let clock = Clock {
            step: 0,
            per_epoch: per_epoch as u64,
            steps: (per_epoch * spec.epochs) as u64,
        };
        if let Some(known) = spec.schedule.as_ref().and_then(Schedule::known_steps)
            && known < clock.steps
        {
            return Err(Error::option(
                "schedule",
                format!("to give a rate for each of the {} steps", clock.steps),
                format!("{known} rates"),
            ));
        }
        let mut along = Vec::new();
        for (i, row) in trained() {
            for (axes, limit) in &settings[i].terms.along {
                along.push(Along::of(row, axes, *limit)?);
            }
        }
        let mut update = Update {
            along,
            uniform: alike && !by_row,
            by_row,
            smooth: any(&Terms::smooth),
            constrained: units(&|i| settings[i].terms.max_norm.is_some()),
            units: units(&|_| matches!(spec.clip, Some(Clip::Adaptive(_)))),
            clip: spec.clip,
            sums: vec![0.0; 2 * blocks.len()],
            at: Step::first(rule, rule.learning_rate()),
            clock,
            plateau: Plateau::default(),
            slow: spec.optimizer.lookahead.map(|_| theta.try_clone()).transpose()?,
            saved: (spec.optimizer.sam.is_some() || rule.ahead(Step::first(rule, 0.0)).is_some())
                .then(|| Aligned::zeroed(arena.trained))
                .transpose()?,
            average: match &spec.averaging {
                None => None,
                Some(averaging) => Some(Average {
                    weights: theta.try_clone()?,
                    count: 0,
                    first_epoch: match averaging {
                        Averaging::Swa { start } => ((start * spec.epochs as f64).floor() as usize).min(spec.epochs - 1),
                        Averaging::Ema { .. } => 0,
                    },
                }),
            },
            settings,
            blocks,
            of_row,
        };
        update.at.learning_rate = update.rate(spec);
        Ok(update)
    }

    fn rate(&self, spec: &FitSpec) -> f64 {
        let base = spec.optimizer.rule.learning_rate();
        let schedule = spec.schedule.as_ref();
        schedule.map_or(base, |s| s.rate(base, self.clock, self.plateau.factor))
    }

    /// The rate of the next update.
    pub fn learning_rate(&self) -> f64 {
        self.at.learning_rate
    }

    /// Replaces the rate of the next update.
    pub fn set_learning_rate(&mut self, rate: f64) {
        self.at.learning_rate = rate;
    }

    /// Takes the next update's turn.
    pub fn begin(&mut self) -> Turn<'_, T> {
        let sums = Apart::of(&mut self.sums);
        let [slow, saved] = [&mut self.slow, &mut self.saved].map(|b| b.as_mut().map(|b| Apart::of(b)));
        let average = self.average.as_mut().map(|a| Apart::of(&mut a.weights));
        Turn {
            update: self,
            sums,
            slow,
            saved,
            average,
        }
    }

    /// Adds the smooth penalties' gradient, and gives their value: for a line search, which needs both.
    pub fn penalize(&self, arena: &Arena, theta: &[T], gradient: &mut [T]) -> f64 {
        if !self.smooth {
            return 0.0;
        }
        let mut value = 0.0;
        for (row, setting) in arena.rows.iter().zip(&self.settings).filter(|(row, _)| row.spec.trainable) {
            setting.terms.add_gradient(&theta[row.range()], &mut gradient[row.range()]);
            value += setting.terms.value(&theta[row.range()]);
        }
        value
    }

    /// After an update.
    pub fn done(&mut self, spec: &FitSpec) {
        self.clock.step += 1;
        let rate = self.rate(spec);
        self.at = self.at.next(&spec.optimizer.rule, rate);
        if let (Some(average), Some(Averaging::Ema { .. })) = (&mut self.average, &spec.averaging) {
            average.count += 1;
        }
    }

    /// After an epoch: averages its weights, if they are to be averaged now.
    pub fn epoch(&mut self, spec: &FitSpec, epoch: usize, theta: &[T], trained: usize) {
        if let (Some(average), Some(Averaging::Swa { .. })) = (&mut self.average, &spec.averaging)
            && epoch >= average.first_epoch
        {
            average.count += 1;
            let share = T::from_f64(1.0 / average.count as f64);
            for (mean, weight) in average.weights[..trained].iter_mut().zip(theta) {
                *mean += share * (*weight - *mean);
            }
        }
        if let Some(average) = &mut self.average {
            average.weights[trained..].copy_from_slice(&theta[trained..]);
        }
    }

    /// After an epoch's scores: what stands still lowers the rate.
    pub fn judge(&mut self, spec: &FitSpec, scores: &Scores) {
        if let Some(policy @ Schedule::ReduceOnPlateau { monitor, .. }) = spec.schedule.as_ref().and_then(Schedule::plateau) {
            let value = scores.get(monitor).unwrap_or(f64::NAN);
            self.plateau.judge(policy, spec.optimizer.rule.learning_rate(), value);
            self.at.learning_rate = self.rate(spec);
        }
    }

    /// The mean of the last epochs' weights, where there is one yet.
    pub fn epochs_mean(&mut self, spec: &FitSpec) -> Option<&mut Aligned<T>> {
        let swa = matches!(spec.averaging, Some(Averaging::Swa { .. }));
        self.average.as_mut().filter(|a| swa && a.count > 0).map(|a| &mut a.weights)
    }

    /// What is carried on, for a fit that is left.
    pub fn leave(&self) -> Result<Carried<T>> {
        Ok(Carried {
            at: self.at,
            step: self.clock.step,
            plateau: self.plateau.clone(),
            slow: self.slow.as_ref().map(Aligned::try_clone).transpose()?,
            average: self
                .average
                .as_ref()
                .map(|a| a.weights.try_clone().map(|w| (w, a.count)))
                .transpose()?,
        })
    }

    /// Goes on from there, with the rates of this recipe.
    pub fn go_on(&mut self, spec: &FitSpec, from: &Carried<T>) {
        self.at = from.at;
        self.clock.step = from.step;
        self.plateau.clone_from(&from.plateau);
        if let (Some(own), Some(other)) = (&mut self.slow, &from.slow) {
            own.copy_from_slice(other);
        }
        if let (Some(own), Some((weights, count))) = (&mut self.average, &from.average) {
            own.weights.copy_from_slice(weights);
            own.count = *count;
        }
        self.at.learning_rate = self.rate(spec);
    }

    /// The averaged weights, where there are any yet.
    pub fn averaged(&self) -> Option<&Aligned<T>> {
        self.average.as_ref().filter(|a| a.count > 0).map(|a| &a.weights)
    }
}

/// One update in progress.
#[derive(Clone, Copy)]
pub struct Turn<'a, T: Real> {
    update: &'a Update<T>,
    sums: Apart<f64>,
    slow: Option<Apart<T>>,
    saved: Option<Apart<T>>,
    average: Option<Apart<T>>,
}

impl<T: Real> Turn<'_, T> {
    /// This member's part of the update. Every member calls it.
    ///
    /// # Safety
    /// The buffers are those of the arena that the plan was made for, alive, and used by this team alone; the team has met since the
    /// gradients were written, and meets before anybody reads the weights.
    pub unsafe fn run(&self, spec: &FitSpec, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let update = self.update;
        if update.smooth {
            for (row, range) in ranges(arena, member, update.uniform) {
                // SAFETY: members' ranges are disjoint.
                let (theta, gradient) = unsafe { (buffers.theta.part(range.clone()), buffers.gradient.part(range)) };
                update.settings[row].terms.add_gradient(theta, gradient);
            }
        }
        if let Some(clip) = update.clip {
            // SAFETY: as the caller promises.
            unsafe { self.clip(clip, arena, buffers, member) };
        }
        if let Some(noise) = &spec.gradient_noise {
            let t = update.at.t - 1;
            let deviation = noise.deviation(t);
            for (row, range) in ranges(arena, member, false) {
                // SAFETY: members' ranges are disjoint.
                let gradient = unsafe { buffers.gradient.part(range.clone()) };
                gradient_noise::add(&arena.rows[row], range, (spec.seed, t), deviation, gradient);
            }
        }
        for (row, range) in ranges(arena, member, update.uniform) {
            let Setting { rule, factor, terms } = &update.settings[row];
            // SAFETY: members' ranges are disjoint.
            let (theta, gradient) = unsafe { (buffers.theta.part(range.clone()), buffers.gradient.part(range.clone())) };
            let mut state: [&mut [T]; STATES] = [&mut [], &mut [], &mut [], &mut []];
            for (own, all) in state.iter_mut().zip(&buffers.state) {
                if let Some(all) = all {
                    // SAFETY: as above.
                    *own = unsafe { all.part(range.clone()) };
                }
            }
            let at = self.at(*factor);
            rule.step(at, theta, gradient, &mut state[..rule.state_count()]);
            if !update.by_row {
                terms.proximal(at.learning_rate, theta);
            }
        }
        if update.by_row {
            // SAFETY: as the caller promises.
            unsafe { self.move_rows(arena, buffers, member) };
        }
        if !update.constrained.is_empty() {
            member.barrier();
            for i in member.part(update.constrained.len()) {
                let units = &update.constrained[i];
                let limit = update.settings[units.row].terms.max_norm.unwrap_or(f64::INFINITY);
                // SAFETY: members' units are disjoint.
                let value = |at: usize| unsafe { buffers.theta.part(at..at + 1) };
                let factors = units
                    .norms(|at| value(at)[0])
                    .map(|norm| if norm > limit { limit / norm } else { 1.0 });
                units.scale(factors, |at, factor| value(at)[0] *= T::from_f64(factor));
            }
        }
        for along in &update.along {
            member.barrier();
            for unit in member.part(along.count()) {
                // SAFETY: members' units are disjoint.
                along.shorten(unit, |at| unsafe { &mut buffers.theta.part(at..at + 1)[0] });
            }
        }
        let constrained = !update.constrained.is_empty() || !update.along.is_empty();
        if self.slow.is_some() || (self.average.is_some() && matches!(spec.averaging, Some(Averaging::Ema { .. }))) {
            if constrained {
                member.barrier();
            }
            // SAFETY: as the caller promises.
            unsafe { self.follow(spec, arena, buffers, member) };
        }
    }

    fn at(&self, factor: f64) -> Step {
        Step {
            learning_rate: self.update.at.learning_rate * factor,
            ..self.update.at
        }
    }

    /// Lookahead's slow weights and the exponential mean.
    unsafe fn follow(&self, spec: &FitSpec, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let t = self.update.at.t;
        let lookahead = spec.optimizer.lookahead.filter(|l| t.is_multiple_of(l.steps)).zip(self.slow);
        let ema = match spec.averaging {
            // As long as few steps are done the mean forgets faster, so that the first weights do not stay in it.
            Some(Averaging::Ema { decay }) => self.average.zip(Some(decay.min(t as f64 / (t as f64 + 9.0)))),
            _ => None,
        };
        for (_, range) in ranges(arena, member, true) {
            // SAFETY: members' ranges are disjoint.
            let theta = unsafe { buffers.theta.part(range.clone()) };
            if let Some((lookahead, slow)) = &lookahead {
                let alpha = T::from_f64(lookahead.alpha);
                // SAFETY: as above.
                for (slow, theta) in unsafe { slow.part(range.clone()) }.iter_mut().zip(theta.iter_mut()) {
                    *slow += alpha * (*theta - *slow);
                    *theta = *slow;
                }
            }
            if let Some((average, decay)) = &ema {
                let share = T::from_f64(1.0 - decay);
                // SAFETY: as above.
                for (mean, theta) in unsafe { average.part(range) }.iter_mut().zip(theta.iter()) {
                    *mean += share * (*theta - *mean);
                }
            }
        }
    }

    /// Sums over all blocks; a barrier before and after.
    fn sum_blocks(&self, member: &Member, sum: impl Fn(&Block) -> [f64; 2]) {
        member.barrier();
        for i in member.part(self.update.blocks.len()) {
            // SAFETY: members' blocks are disjoint.
            unsafe { self.sums.part(2 * i..2 * i + 2) }.copy_from_slice(&sum(&self.update.blocks[i]));
        }
        member.barrier();
    }

    /// The sum over the blocks of a row, after [`Self::sum_blocks`].
    fn row_sum(&self, row: usize, which: usize) -> f64 {
        let blocks = self.update.of_row[row].clone();
        // SAFETY: only read until the next sums.
        tree_of(blocks.len(), &|i| unsafe {
            self.sums.part(2 * (blocks.start + i)..2 * (blocks.start + i) + 2)[which]
        })
    }

    /// The sum over all rows.
    fn whole_sum(&self, which: usize) -> f64 {
        tree_of(self.update.of_row.len(), &|row| self.row_sum(row, which))
    }

    unsafe fn clip(&self, clip: Clip, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        // SAFETY: each caller names its own part, or only reads between two barriers.
        let gradient = |range: Range<usize>| unsafe { buffers.gradient.part(range) };
        match clip {
            Clip::Value(limit) => ranges(arena, member, true).for_each(|(_, range)| clip::clip_by_value(gradient(range), limit)),
            Clip::Norm(max) | Clip::GlobalNorm(max) => {
                self.sum_blocks(member, |block| [block_sum_squares(gradient(block.range.clone())), 0.0]);
                let whole = match clip {
                    Clip::GlobalNorm(_) => Some(self.whole_sum(0).sqrt()),
                    _ => None,
                };
                for (row, range) in ranges(arena, member, false) {
                    let norm = whole.unwrap_or_else(|| self.row_sum(row, 0).sqrt());
                    if let Some(factor) = clip::factor(norm, max) {
                        clip::scale(gradient(range), factor);
                    }
                }
            }
            Clip::Adaptive(share) => {
                member.barrier();
                for i in member.part(self.update.units.len()) {
                    let units = &self.update.units[i];
                    // SAFETY: weights are only read here.
                    let sizes = units.norms(|at| unsafe { buffers.theta.part(at..at + 1) }[0]);
                    let mut factors = units.norms(|at| gradient(at..at + 1)[0]);
                    for (factor, size) in factors.iter_mut().zip(sizes) {
                        *factor = clip::factor(*factor, share * size.max(1e-3)).unwrap_or(1.0);
                    }
                    units.scale(factors, |at, factor| gradient(at..at + 1)[0] *= T::from_f64(factor));
                }
                member.barrier();
            }
        }
    }

    /// The second half of a rule that looks at parameters as a whole, and the proximal steps.
    unsafe fn move_rows(&self, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let update = self.update;
        let read = |range: Range<usize>| {
            let mut state: [&[T]; STATES] = [&[]; STATES];
            for (own, all) in state.iter_mut().zip(&buffers.state) {
                if let Some(all) = all {
                    // SAFETY: nobody writes the state until the next update.
                    *own = unsafe { all.part(range.clone()) };
                }
            }
            state
        };
        self.sum_blocks(member, |Block { row, range }| {
            let Setting { rule, factor, .. } = &update.settings[*row];
            // SAFETY: the weights are only read between the barriers.
            let theta = unsafe { buffers.theta.part(range.clone()) };
            rule.row_sums(self.at(*factor), theta, &read(range.clone())[..rule.state_count()])
        });
        for (row, range) in ranges(arena, member, false) {
            let Setting { rule, factor, terms } = &update.settings[row];
            let norms = [0, 1].map(|which| self.row_sum(row, which).sqrt());
            let (state, at) = (read(range.clone()), self.at(*factor));
            // SAFETY: members' ranges are disjoint.
            let theta = unsafe { buffers.theta.part(range) };
            rule.row_move(at, norms, theta, &state[..rule.state_count()]);
            terms.proximal(at.learning_rate, theta);
        }
    }

    /// SAM looks around: keeps the weights and goes to the worst point nearby. The team meets before it runs the program there.
    ///
    /// # Safety
    /// As [`Self::run`].
    pub unsafe fn look_around(&self, spec: &FitSpec, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let (Some(sam), Some(saved)) = (spec.optimizer.sam, self.saved) else {
            return;
        };
        // SAFETY: each caller names its own part, or only reads between two barriers.
        let both = |range: Range<usize>| unsafe { (buffers.theta.part(range.clone()), buffers.gradient.part(range)) };
        self.sum_blocks(member, |block| {
            let (theta, gradient) = both(block.range.clone());
            if !sam.adaptive {
                return [block_sum_squares(gradient), 0.0];
            }
            // In four sums side by side, a chain each.
            let mut sums = [0.0; 4];
            for (i, (theta, g)) in theta.iter().zip(gradient.iter()).enumerate() {
                let scaled = theta.to_f64() * g.to_f64();
                sums[i % 4] += scaled * scaled;
            }
            [clip::tree_sum(&sums), 0.0]
        });
        let length = self.whole_sum(0).sqrt();
        let step = T::from_f64(if length > 0.0 { sam.rho / length } else { 0.0 });
        for (_, range) in ranges(arena, member, true) {
            let (theta, gradient) = both(range.clone());
            // SAFETY: members' ranges are disjoint.
            let saved = unsafe { saved.part(range) };
            saved.copy_from_slice(theta);
            for (theta, g) in theta.iter_mut().zip(gradient.iter()) {
                let direction = if sam.adaptive { *theta * *theta * *g } else { *g };
                *theta += step * direction;
            }
        }
    }

    /// Nesterov's look-ahead: keeps the weights and goes on along the velocity. The team meets before it runs the program there, and comes
    /// back by [`Self::come_back`].
    ///
    /// # Safety
    /// As [`Self::run`].
    pub unsafe fn go_ahead(&self, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let (Some(saved), Some(velocity)) = (self.saved, buffers.state[0]) else {
            return;
        };
        for (row, range) in ranges(arena, member, self.update.uniform) {
            let Setting { rule, factor, .. } = &self.update.settings[row];
            let step = T::from_f64(rule.ahead(self.at(*factor)).unwrap_or(0.0));
            // SAFETY: members' ranges are disjoint.
            let (theta, saved, velocity) = unsafe { (buffers.theta.part(range.clone()), saved.part(range.clone()), velocity.part(range)) };
            saved.copy_from_slice(theta);
            for (theta, v) in theta.iter_mut().zip(velocity.iter()) {
                *theta += step * *v;
            }
        }
    }

    /// Comes back, with the gradient found there.
    ///
    /// # Safety
    /// As [`Self::run`].
    pub unsafe fn come_back(&self, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let Some(saved) = self.saved else { return };
        for (_, range) in ranges(arena, member, true) {
            // SAFETY: members' ranges are disjoint.
            unsafe { buffers.theta.part(range.clone()).copy_from_slice(saved.part(range)) };
        }
    }
}

/// The parts of the trained arena that a member checks and updates, with the row they belong to: of a matrix in panels the panels whose
/// gradients it computes, so that weights, gradients and moments stay in its own cache. Where all rows are treated alike (`whole`) a
/// single member has one part. Found anew each time: a few additions, and nothing allocated.
pub fn ranges<'a>(arena: &'a Arena, member: &Member, whole: bool) -> impl Iterator<Item = (usize, Range<usize>)> + use<'a> {
    let (rank, size) = (member.rank(), member.size());
    let whole = whole && size == 1;
    let first = arena.rows.iter().position(|r| r.spec.trainable).unwrap_or(0);
    let one = whole.then_some((first, 0..arena.trained)).filter(|_| !arena.rows.is_empty());
    let rows = if whole { 0 } else { arena.rows.len() };
    let split = (0..rows).filter(|&i| arena.rows[i].spec.trainable).map(move |i| {
        let row = &arena.rows[i];
        let panels = row.spec.shape.get(1).map_or(0, |n| n.div_ceil(PANEL));
        let by_panel = row.spec.layout == Layout::Panels && (panels.is_multiple_of(size) || panels >= 8 * size);
        let unit = if by_panel { row.len / panels } else { PANEL };
        let units = row.len / unit.max(1);
        (
            i,
            row.offset + units * rank / size * unit..row.offset + units * (rank + 1) / size * unit,
        )
    });
    one.into_iter().chain(split)
}
