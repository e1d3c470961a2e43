(* Hypotheses of theorems of other files are met: an example of each applies the theorem. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Chain Accuracy Gradient Trajectories Gauge Energy Trees Turns Normaliser Gibbs Imitation Penalty Optimum Tokens Share Endless Lengths Prompts.
Open Scope R_scope.

(* A policy that moves with one parameter t, at every turn: logits t, 2 t, ... of answers, and t of stopping. *)
Section Moving.
Variables (n : nat) (t : R).
Hypothesis answers : (0 < n)%nat.
Definition pace (i : nat) := INR (S i).
Definition logits t i := t * pace i.
Definition moving_pi t (_ y : nat) := softmax n (logits t) y.
Definition moving_s t (_ _ : nat) := sigmoid t.
(* Its scores, and its log-probabilities. *)
Definition moving_score (_ y : nat) := score n pace (softmax n (logits t)) y.
Definition stop_score (_ _ : nat) := 1 - sigmoid t.
Definition resample_score (_ _ : nat) := - sigmoid t.
Definition log_pi t (_ y : nat) := logits t y - ln (Z n (logits t)).

Lemma logits_derive i : is_derive (fun t => logits t i) t (pace i).
Proof. unfold logits. generalize (pace i). intro c. auto_derive; [trivial | ring]. Qed.

Lemma moving_pi_derive (k y : nat) : (y < n)%nat -> is_derive (fun t => moving_pi t k y) t (moving_pi t k y * moving_score k y).
Proof. intro Hy. apply (softmax_derive n answers logits pace t y Hy). intros i _. apply logits_derive. Qed.

Lemma moving_s_derive (k y : nat) : (y < n)%nat -> is_derive (fun t => moving_s t k y) t (moving_s t k y * stop_score k y).
Proof. intros _. apply sigmoid_derive. Qed.

Lemma moving_sums (k : nat) : Sum n (moving_pi t k) = 1.
Proof. apply softmax_sum, answers. Qed.

Lemma moving_positive (k y : nat) : (y < n)%nat -> 0 <= moving_pi t k y.
Proof. intros _. apply Rlt_le, softmax_pos, answers. Qed.

Lemma moving_within (k y : nat) : (y < n)%nat -> 0 <= moving_s t k y <= 1.
Proof. intros _. pose proof (sigmoid_in t). unfold moving_s. lra. Qed.

Lemma moving_score_mean (k : nat) : Sum n (fun y => moving_pi t k y * moving_score k y) = 0.
Proof. apply score_mean_zero, softmax_sum, answers. Qed.

Lemma decision_score_mean (k y : nat) : (y < n)%nat -> moving_s t k y * stop_score k y + (1 - moving_s t k y) * resample_score k y = 0.
Proof. intros _. apply sigmoid_score_mean_zero. Qed.

Lemma log_pi_derive (k y : nat) : is_derive (fun t => log_pi t k y) t (moving_score k y).
Proof.
unfold log_pi. evar_last.
- apply (is_derive_minus (fun t => logits t y) (fun t => ln (Z n (logits t)))); [apply logits_derive|].
  apply (is_derive_comp ln (fun t => Z n (logits t))); [apply is_derive_Reals, derivable_pt_lim_ln, Z_pos, answers|].
  apply (Z_derive n logits pace t). intros i _. apply logits_derive.
- unfold moving_score, score, softmax, minus, plus, opp, scal; simpl; unfold mult; simpl.
  rewrite (Sum_ext n (fun k => exp (logits t k) / Z n (logits t) * _) (fun i => / Z n (logits t) * (pace i * exp (logits t i))))
    by (intros; unfold Rdiv; ring). rewrite Sum_scal. ring.
Qed.

Notation E := (Ex n (moving_pi t) (moving_s t)).
Notation rule := (rule_sum moving_score stop_score resample_score).

Example value_derive_met Rs Rr g : 0 <= g <= 1 -> exists d, is_derive (fun x => value n (moving_pi x 0) (moving_s x 0) Rs Rr g) t d.
Proof.
intro G. assert (D : g * again n (moving_pi t 0) (moving_s t 0) < 1) by apply (table_discounted n (logits t) (fun _ => t) g answers G).
eexists. apply (value_derive n (fun x => moving_pi x 0) (fun x => moving_s x 0) _ _ Rs Rr g t ltac:(lra)
  (moving_pi_derive 0) (moving_s_derive 0)).
Qed.

Example policy_gradient_met F T :
  is_derive (fun x => Ex n (moving_pi x) (moving_s x) T 0 F) t (E T 0%nat (fun l => F l * rule one one T 0 nil l + 0)).
Proof.
apply (policy_gradient n moving_pi moving_s moving_score stop_score resample_score (fun _ => F) (fun _ => 0) t T moving_pi_derive moving_s_derive
  decision_score_mean ltac:(intro l; auto_derive; [trivial | reflexivity]) 0 nil).
Qed.

Example normaliser_gradient_met F W T : let mean x G := Ex n (moving_pi x) (moving_s x) T 0 G in
  let Cov x := mean x (fun l => F l * W l) - mean x F * mean x W in exists dA dC, is_derive (fun x => mean x F) t dA /\ is_derive Cov t dC
  /\ mean t (fun l => (F l - mean t F) * W l * rule one one T 0 nil l) = mean t W * dA + dC.
Proof.
apply (normaliser_gradient n moving_pi moving_s moving_score stop_score resample_score F W t T moving_pi_derive moving_s_derive decision_score_mean).
Qed.

Example full_gradient_met beta w v T : exists d, is_derive (fun x => - beta * Ex n (moving_pi x) (moving_s x) T 0
  (log_ratios log_pi (fun x _ _ => ln (sigmoid x)) (fun x _ _ => ln (1 - sigmoid x)) x w v T)) t d.
Proof.
eexists. apply (full_gradient n moving_pi moving_s log_pi _ _ moving_score stop_score resample_score t log_pi_derive
  ltac:(intros; apply sigmoid_log_derive) ltac:(intros; apply sigmoid_log_derive) moving_pi_derive moving_s_derive moving_sums moving_score_mean
  decision_score_mean).
Qed.

Example full_gradient_balanced_met beta w v T : exists d, is_derive (fun x => - beta * Ex n (moving_pi x) (moving_s x) T 0
  (log_ratios log_pi (fun x _ _ => ln (sigmoid x)) (fun x _ _ => ln (1 - sigmoid x)) x (fun _ => w) v T)) t d.
Proof.
eexists. apply (full_gradient_balanced n moving_pi moving_s log_pi _ _ moving_score stop_score resample_score t log_pi_derive
  ltac:(intros; apply sigmoid_log_derive) ltac:(intros; apply sigmoid_log_derive) moving_pi_derive moving_s_derive moving_sums moving_score_mean
  decision_score_mean).
Qed.

Example estimators_met ref : (forall i, (i < n)%nat -> 0 < ref i) -> let pi x := moving_pi x 0 in let ls := moving_score 0 in
  is_derive (fun x => KL n (pi x) ref) t (Sum n (fun i => pi t i * (ln (pi t i / ref i) * ls i)))
  /\ is_derive (fun x => KL n ref (pi x)) t (Sum n (fun i => pi t i * ((1 - ref i / pi t i) * ls i))).
Proof.
intro P. apply (estimators n (fun x => moving_pi x 0) ref (moving_score 0) t P ltac:(intros; apply softmax_pos, answers) (moving_sums 0)
  (moving_pi_derive 0) (moving_score_mean 0)).
Qed.

Example baseline_zero_met bs bd T : E T 0%nat (rule (of_history bs) (of_answer bd) T 0%nat nil) = 0.
Proof. apply (baseline_zero n _ _ moving_sums _ _ _ moving_score_mean decision_score_mean). Qed.

Example gauge_met cs cd bs bd T :
  E T 0%nat (rule (fun h l => cs h l - of_history bs h l) (fun h l => cd h l - of_answer bd h l) T 0%nat nil) = E T 0%nat (rule cs cd T 0%nat nil).
Proof. apply (gauge n _ _ moving_sums _ _ _ moving_score_mean decision_score_mean). Qed.

Example action_value_form_met Rs Rr Rl g T : E T 0%nat (fun l => ret Rs Rr Rl g T 0 l * rule one one T 0%nat nil l)
  = Sum (S T) (fun j => g ^ j * reach n (moving_pi t) (moving_s t) 0 j
      * turn_gradient n (moving_pi t) (moving_s t) Rs Rr Rl g moving_score stop_score resample_score (T - j) j).
Proof. apply (action_value_form n _ _ Rs Rr Rl g moving_sums _ _ _ moving_score_mean decision_score_mean). Qed.

(* The return is the number of turns: those before, and those to go. *)
Example reward_to_go_met T : let F (l : trajectory) := INR (length l) in let togo (_ l : trajectory) := INR (length l) in
  E T 0%nat (rule togo togo T 0%nat nil) = E T 0%nat (rule (return_form F) (return_form F) T 0%nat nil).
Proof.
intros F togo. apply (reward_to_go n _ _ moving_sums _ _ _ moving_score_mean decision_score_mean F F togo).
intros h l. unfold F, togo, whole. rewrite rev_append_rev, app_length, rev_length. apply plus_INR.
Qed.

Example scores_mean_zero_met T : E T 0%nat (rule one none T 0%nat nil) = 0 /\ E T 0%nat (rule none one T 0%nat nil) = 0.
Proof. apply (scores_mean_zero n _ _ moving_sums _ _ _ moving_score_mean decision_score_mean). Qed.

(* Reward 1 if the answer that is submitted is right. *)
Example surrogate_invariance_met right u0 u1 T : let F := outcome right in let c h l := if Req_EM_T (F (whole h l)) 1 then u1 else u0 in
  E T 0%nat (rule c c T 0%nat nil) = (u1 - u0) * E T 0%nat (rule (return_form F) (return_form F) T 0%nat nil).
Proof.
apply (surrogate_invariance n _ _ moving_sums _ _ _ moving_score_mean decision_score_mean).
intro l. unfold outcome, ind. destruct (right _); [right | left]; reflexivity.
Qed.

Example scores_uncorrelated_met T : E T 0%nat (fun l => rule one none T 0%nat nil l * rule none one T 0%nat nil l) = 0.
Proof. apply (scores_uncorrelated n _ _ moving_sums _ _ _ T moving_score_mean decision_score_mean). Qed.

Example energy_bound_met F T : let sc := rule one none T 0%nat nil in
  E T 0%nat (fun l => F l * sc l) ^ 2 <= E T 0%nat (fun l => sc l ^ 2) * (E T 0%nat (fun l => F l ^ 2) - E T 0%nat F ^ 2).
Proof.
intro sc. apply (energy_bound n _ _ moving_sums moving_positive moving_within F sc T 0).
apply (scores_mean_zero n _ _ moving_sums _ _ _ moving_score_mean decision_score_mean).
Qed.
End Moving.

(* One turn of two answers, of which the first is right. *)
Example gradient_gap_met t : let mean := Ex 2 (moving_pi 2 t) (moving_s t) 0 0 in let F := outcome (Nat.eqb 0) in
  let sc := rule_sum (moving_score 2 t) (stop_score t) (resample_score t) one none 0 0 nil in
  mean (fun l => F l * sc l) = mean F * (1 - mean F) * (mean (fun l => F l * sc l) / mean F - mean (fun l => (1 - F l) * sc l) / (1 - mean F)).
Proof.
intros mean F sc. assert (N : (0 < 2)%nat) by lia. apply (gradient_gap 2 (moving_pi 2 t) (moving_s t) F sc 0 0).
- pose proof (softmax_sum 2 N (logits t)) as S. simpl in S. unfold Ex, F, outcome, ind; simpl. unfold moving_pi.
  pose proof (softmax_pos 2 N (logits t) 0). pose proof (softmax_pos 2 N (logits t) 1). lra.
- apply (scores_mean_zero 2 _ _ (moving_sums 2 t N) _ _ _ (moving_score_mean 2 t N) (decision_score_mean 2 t)).
Qed.

(* The sampling logits on the line of the gradient, at any policy. *)
Example flow_undiscounted_met n z0 s right t : open_chain n (softmax n z0) s right ->
  let pi := softmax n z0 in let Acc := accuracy n pi s right in
  let z' k := turns n pi s 1 * (pi k * (Q_answer s (ind right) (fun _ => 0) 1 Acc k - Acc)) in let z x k := z0 k + (x - t) * z' k in
  (forall k, is_derive (fun x => z x k) t (z' k)) /\ exists d, is_derive (fun x => P_right n (softmax n (z x)) right) t d /\ 0 < d.
Proof.
intros O pi Acc z' z. assert (D : forall k, is_derive (fun x => z x k) t (z' k)) by (intro k; unfold z; auto_derive; [trivial | ring]).
split; [exact D|]. assert (E : softmax n (z t) = softmax n z0).
{ f_equal. apply FunctionalExtensionality.functional_extensionality. intro k. unfold z. ring. }
destruct (flow_undiscounted n z z' s right t) as [d [A [_ B]]].
- rewrite E. exact O.
- intros k _. apply D.
- intros k _. rewrite E. reflexivity.
- exists d. split; [exact A | exact B].
Qed.

Example answers_counterexample_met t :
  let V := value 3 point_pi point_stop (ind point_right) (fun _ => 0) (1 / 5) in
  let z' k := turns 3 point_pi point_stop (1 / 5) * (point_pi k * (Q_answer point_stop (ind point_right) (fun _ => 0) (1 / 5) V k - V)) in
  let z x k := ln (point_pi k) + (x - t) * z' k in
  (forall k, (k < 3)%nat -> softmax 3 (z t) k = point_pi k) /\ (forall k, is_derive (fun x => z x k) t (z' k))
  /\ exists d, is_derive (fun x => P_right 3 (softmax 3 (z x)) point_right) t d /\ d < 0.
Proof.
intros V z' z. assert (D : forall k, is_derive (fun x => z x k) t (z' k)) by (intro k; unfold z; auto_derive; [trivial | ring]).
assert (X : forall k, exp (z t k) = point_pi k).
{ intro k. unfold z. replace (ln (point_pi k) + (t - t) * z' k) with (ln (point_pi k)) by ring. apply exp_ln.
  destruct k as [|[|k]]; simpl; lra. }
assert (S : forall k, (k < 3)%nat -> softmax 3 (z t) k = point_pi k) by (intros k _; unfold softmax, Z; simpl; rewrite !X; simpl; field).
split; [exact S|]. split; [exact D|]. apply (answers_counterexample z z' t S); intros k _; [apply D | reflexivity].
Qed.

Example natural_gradient_rises_met n pi s right g N visits : open_chain n pi s right -> 0 <= g <= 1 -> 0 < N -> 0 < visits ->
  let V := value n pi s (ind right) (fun _ => 0) g in let Q := Q_answer s (ind right) (fun _ => 0) g V in exists x,
  (forall j, (j < n)%nat -> visits * (pi j * (x j - Sum n (fun k => pi k * x k))) = N * (pi j * (Q j - V)))
  /\ 0 < Sum n (fun y => pi y * x y * (ind right y - P_right n pi right)).
Proof.
intros O G HN HV V Q. set (x j := N / visits * Q j). exists x.
assert (B : Sum n (fun k => pi k * Q k) = V).
{ symmetry. apply (bellman_unique n pi s (ind right) (fun _ => 0) g V (open_policy _ _ _ _ O) (open_ends _ _ _ _ g O G)). reflexivity. }
assert (E : forall j, (j < n)%nat -> visits * (pi j * (x j - Sum n (fun k => pi k * x k))) = N * (pi j * (Q j - V))).
{ intros j _. rewrite (Sum_ext n (fun k => pi k * x k) (fun k => N / visits * (pi k * Q k))) by (intros; unfold x; ring).
  rewrite Sum_scal, B. unfold x. field. lra. }
split; [exact E|]. apply (natural_gradient_rises n pi s right g N visits x O G HN HV E).
Qed.

(* Trees: a row of two symbols, and a row of its own after each. *)
Definition small_tree r0 r1 := Row 0 r0 (fun j => Row (S j) r1 (fun _ => End 0)).

Lemma small_apart r0 r1 : apart (fun _ => 2%nat) (small_tree r0 r1).
Proof.
split; [intros j _; simpl; reflexivity|]. split.
- intros j l [|i] _ _ A B; simpl in A, B; [discriminate A|]. rewrite Bool.orb_false_r in A, B. apply Nat.eqb_eq in A. apply Nat.eqb_eq in B. lia.
- intros j _. split; [reflexivity|]. split; [intros ? ? ? _ _ A; discriminate A | intros; exact I].
Qed.

Example own_rows_met rho r0 r1 : exists a, shared (fun _ => 2%nat) rho (small_tree r0 r1) a.
Proof. exists (own (fun _ => 2%nat) rho (small_tree r0 r1)). apply own_rows, small_apart. Qed.

Example energy_of_rows_met z r0 r1 S : let m (_ : nat) := 2%nat in let rho := rows m z in let t := small_tree r0 r1 in exists a x,
  shared m rho t a /\ within S x /\ (forall v, within S v -> information_of m rho t x v = Mean m rho t (fun l => paid t l * path_score m rho v t l))
  /\ information_of m rho t x x = Trees.row_energy m rho S t.
Proof.
intros m rho t. assert (P : forall i, Sum (m i) (rho i) = 1) by (intro; apply softmax_sum; unfold m; lia).
set (a := own m rho t). assert (H : shared m rho t a) by apply (own_rows m rho t), small_apart. exists a, (steepest S a).
assert (X : within S (steepest S a)) by (intros i E j; unfold steepest; rewrite E; reflexivity).
assert (N : forall v, within S v -> information_of m rho t (steepest S a) v = Mean m rho t (fun l => paid t l * path_score m rho v t l))
  by (intros v V; apply (steepest_solves m rho P S t a v H V)).
split; [exact H|]. split; [exact X|]. split; [exact N | apply (energy_of_rows m rho P S t a (steepest S a) H X N)].
Qed.

Example energy_law_rows_met z r0 r1 S : let m (_ : nat) := 2%nat in let rho := rows m z in let t := small_tree r0 r1 in exists a x x',
  shared m rho t a /\ natural m z t S x /\ natural m z t (fun i => negb (S i)) x'
  /\ information_of m rho t x x + information_of m rho t x' x' = Variance m rho t.
Proof.
intros m rho t. set (a := own m rho t). assert (H : shared m rho t a) by apply (own_rows m rho t), small_apart.
destruct (energy_law_rows m z t a ltac:(intro; unfold m; lia) H) as [E [_ L]]. destruct (E S) as [x X]. destruct (E (fun i => negb (S i))) as [x' X'].
exists a, x, x'. split; [exact H|]. split; [exact X|]. split; [exact X' | apply (L S x x' X X')].
Qed.

(* A row whose symbols are all paid the same. *)
Example padding_zero_met z v c : let m (_ : nat) := 2%nat in let t := Row 0 (fun _ => c) (fun _ => End 0) in
  is_derive (fun u => Mean m (rows m (moved z v u)) t (paid t)) 0 0.
Proof.
intros m t. apply (padding_zero m z t (fun _ => true) v ltac:(intro; unfold m; lia)); [intros i E; discriminate E|].
split; [|intros; exact I]. intros _ j _. unfold advantage; simpl. pose proof (softmax_sum 2 ltac:(lia) (z 0%nat)) as S. simpl in S.
change (rows m z 0) with (softmax 2 (z 0%nat)). set (p := softmax 2 (z 0%nat) 0%nat) in *. set (q := softmax 2 (z 0%nat) 1%nat) in *.
replace q with (1 - p) by lra. ring.
Qed.

(* A turn of one row: its first symbol stops. *)
Example stationary_rows_met z r S : let m (_ : nat) := 2%nat in let rho := rows m z in
  let t := Draw 0 r (fun j => match j with O => Stop | _ => Again end) in let turn := close t (start m rho t) in
  let n := 1 / (1 - back m rho t) in let F u v := n * information_of m rho turn u v in
  let natural S x := within S x /\ forall v, within S v -> is_derive (fun u => start m (rows m (moved z v u)) t) 0 (F x v) in
  exists a x x', shared m rho turn a /\ natural S x /\ natural (fun i => negb (S i)) x'
  /\ is_lim_seq (fun K => Variance m rho (unroll t K)) (F x x + F x' x').
Proof.
intros m rho t turn n F natural. assert (N : forall i, (0 < m i)%nat) by (intro; unfold m; lia).
assert (B : 0 <= back m (rows m z) t < 1).
{ unfold back, t; simpl. pose proof (softmax_sum 2 ltac:(lia) (z 0%nat)) as P. simpl in P. change (rows m z 0) with (softmax 2 (z 0%nat)).
  pose proof (softmax_pos 2 ltac:(lia) (z 0%nat) 0). pose proof (softmax_pos 2 ltac:(lia) (z 0%nat) 1). lra. }
set (a (i j : nat) := advantage m rho 0 r (fun j => subst (match j with O => Stop | _ => Again end) (End (start m rho t))) j).
assert (H : shared m rho turn a) by (split; [reflexivity | intros [|j] _; exact I]).
destruct (stationary_rows m z t a N B H) as [E [_ L]]. destruct (E S) as [x X]. destruct (E (fun i => negb (S i))) as [x' X'].
exists a, x, x'. split; [exact H|]. split; [exact X|]. split; [exact X' | apply (L S x x' X X')].
Qed.

(* Energies: F x = gradient has solutions. *)
Example prompt_energy_met n pi A rho w c : (forall j, (j < n)%nat -> 0 < pi j) -> Sum n pi = 1 -> rho <> 0 -> w <> 0 ->
  Sum n (fun j => pi j * A j) = 0 -> exists x,
  (forall j, (j < n)%nat -> rho * w * (pi j * (x j - Sum n (fun i => pi i * x i))) = rho * c * (pi j * A j))
  /\ Sum n (fun j => rho * c * (pi j * A j) * x j) = rho * (c ^ 2 / w * Sum n (fun j => pi j * A j ^ 2)).
Proof.
intros P H R W Z. set (x j := c / w * A j). exists x.
assert (E : forall j, (j < n)%nat -> rho * w * (pi j * (x j - Sum n (fun i => pi i * x i))) = rho * c * (pi j * A j)).
{ intros j _. rewrite (Sum_ext n (fun i => pi i * x i) (fun i => c / w * (pi i * A i))) by (intros; unfold x; ring). rewrite Sum_scal, Z. unfold x. field. exact W. }
split; [exact E | apply (prompt_energy n pi A rho w c x P H R W Z E)].
Qed.

Example direct_energy_met n pi lr beta w visits : (forall j, (j < n)%nat -> 0 < pi j) -> Sum n pi = 1 -> visits <> 0 -> exists x,
  (forall j, (j < n)%nat -> visits * (pi j * (x j - Sum n (fun i => pi i * x i))) = visits * update n pi (fun i => - beta * w * lr i) j)
  /\ Sum n (fun j => visits * update n pi (fun i => - beta * w * lr i) j * x j)
     = beta ^ 2 * w ^ 2 * visits * Sum n (fun j => pi j * (lr j - Sum n (fun i => pi i * lr i)) ^ 2).
Proof.
intros P H V. set (x i := - beta * w * lr i). exists x.
assert (E : forall j, (j < n)%nat -> visits * (pi j * (x j - Sum n (fun i => pi i * x i))) = visits * update n pi (fun i => - beta * w * lr i) j).
{ intros j Hj. f_equal. change (fun i => - beta * w * lr i) with x. unfold update.
  rewrite (Sum_ext n (fun i => pi i * x i * (delta i j - pi j)) (fun i => pi i * x i * delta i j - pi i * x i * pi j)) by (intros; ring).
  rewrite Sum_minus, Sum_scal_r, (Sum_delta n (fun i => pi i * x i) j Hj). ring. }
split; [exact E | apply (direct_energy n pi lr beta w visits x P H V E)].
Qed.

Example sft_decision_energy_met n nE pi piE s sE v : 0 < n -> 0 < pi -> 0 < s < 1 -> exists x,
  n * pi * (s * (1 - s)) * x = nE * (v * piE * (sE - s))
  /\ nE * (v * piE * (sE - s)) * x = (nE * (v * piE)) ^ 2 / (n * pi) * ((sE - s) ^ 2 / (s * (1 - s))).
Proof.
intros N P S. set (x := nE * (v * piE * (sE - s)) / (n * pi * (s * (1 - s)))). exists x.
assert (E : n * pi * (s * (1 - s)) * x = nE * (v * piE * (sE - s))) by (unfold x; field; repeat split; lra).
split; [exact E | apply (sft_decision_energy n nE pi piE s sE v x N P S E)].
Qed.

Example resample_energy_met n z tau beta K : (0 < n)%nat ->
  let pi := softmax n z in let s y := sigmoid (tau y) in let q := again n pi s in let N := turns n pi s 1 in exists x xd,
  (forall j d, (j < n)%nat -> is_derive (fun u => - beta * K * turns n (softmax n (upd z j u)) s 1) (z j) d ->
     N * (pi j * (x j - Sum n (fun i => pi i * x i))) = d)
  /\ (forall j d, (j < n)%nat -> is_derive (fun u => - beta * K * turns n pi (fun y => sigmoid (upd tau j u y)) 1) (tau j) d ->
     N * pi j * (s j * (1 - s j)) * xd j = d)
  /\ Sum n (fun j => N * pi j * (s j * (1 - s j)) * xd j * xd j) = beta ^ 2 * K ^ 2 * N ^ 3 * Sum n (fun y => pi y * (s y * (1 - s y))).
Proof.
intros HN pi s q N. set (one := fun _ : nat => 1).
assert (T : forall p t, Sum n p = 1 -> turns n p t 1 = value n p t one one 1).
{ intros p t H. unfold turns, value, turn_reward, one. f_equal. transitivity (Sum n p); [symmetry; exact H | apply Sum_ext; intros; ring]. }
set (V := value n pi s one one 1). set (Q := Q_answer s one one 1 V).
assert (D : 1 * again n pi s < 1) by apply (table_discounted n z tau 1 HN ltac:(lra)).
assert (B : Sum n (fun i => pi i * Q i) = V).
{ unfold Q. rewrite (Sum_ext n _ (fun i => (1 + V) * pi i - V * (pi i * s i))) by (intros; unfold Q_answer, one; ring).
  rewrite Sum_minus, !Sum_scal. assert (A : again n pi s = 1 - Sum n (fun i => pi i * s i)).
  { transitivity (Sum n pi - Sum n (fun i => pi i * s i)); [|unfold pi at 1; rewrite softmax_sum by exact HN; reflexivity].
    unfold again. rewrite <- Sum_minus. apply Sum_ext; intros; ring. }
  assert (E : V = 1 / (1 - 1 * again n pi s)) by (unfold V; rewrite <- T by (apply softmax_sum, HN); reflexivity).
  unfold pi at 1. rewrite softmax_sum by exact HN. replace (Sum n (fun i => pi i * s i)) with (1 - again n pi s) by lra.
  rewrite E. field. lra. }
exists (fun j => - beta * K * Q j), (fun _ => beta * K * V).
assert (X : forall j d, (j < n)%nat -> is_derive (fun u => - beta * K * turns n (softmax n (upd z j u)) s 1) (z j) d ->
  N * (pi j * (- beta * K * Q j - Sum n (fun i => pi i * (- beta * K * Q i)))) = d).
{ intros j d Hj H. apply is_derive_unique in H. rewrite <- H. symmetry. apply is_derive_unique.
  apply is_derive_ext with (fun u => - beta * K * value n (softmax n (upd z j u)) s one one 1); [intro; rewrite T by (apply softmax_sum, HN); reflexivity|].
  evar_last; [apply is_derive_scal, (sampling_gradient n z tau one one 1 HN ltac:(lra) j Hj)|]. fold pi s V Q.
  rewrite (Sum_ext n _ (fun i => - beta * K * (pi i * Q i))) by (intros; ring). rewrite Sum_scal, B. unfold N. ring. }
assert (Y : forall j d, (j < n)%nat -> is_derive (fun u => - beta * K * turns n pi (fun y => sigmoid (upd tau j u y)) 1) (tau j) d ->
  N * pi j * (s j * (1 - s j)) * (beta * K * V) = d).
{ intros j d Hj H. apply is_derive_unique in H. rewrite <- H. symmetry. apply is_derive_unique.
  apply is_derive_ext with (fun u => - beta * K * value n pi (fun y => sigmoid (upd tau j u y)) one one 1); [intro; rewrite T by (apply softmax_sum, HN); reflexivity|].
  evar_last; [apply is_derive_scal, (decision_gradient n z tau one one 1 HN ltac:(lra) j Hj)|]. unfold N, V, pi, s, one. cbv beta. ring. }
split; [exact X|]. split; [exact Y|]. apply (resample_energy n z tau beta K 1 _ _ HN X Y).
Qed.

Lemma hot_enough k eps : 0 < k -> 0 < eps -> exists Ts, 4 <= Ts /\ 4 <= k * Ts /\ 4 / (k * Ts) <= eps.
Proof.
intros K E. set (Ts := 4 + 4 / k + 4 / (k * eps)). assert (A : 0 < 4 / k) by (apply Rdiv_lt_0_compat; lra).
assert (KE : 0 < k * eps) by (apply Rmult_lt_0_compat; assumption). assert (B : 0 < 4 / (k * eps)) by (apply Rdiv_lt_0_compat; lra).
assert (K4 : 4 <= k * Ts).
{ unfold Ts. replace (k * (4 + 4 / k + 4 / (k * eps))) with (4 * k + 4 + 4 / eps) by (field; lra).
  assert (0 < 4 / eps) by (apply Rdiv_lt_0_compat; lra). lra. }
assert (KB : 4 / (k * Ts) <= eps).
{ apply Rmult_le_reg_r with (k * Ts); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
  unfold Ts. replace (eps * (k * (4 + 4 / k + 4 / (k * eps)))) with (4 * (k * eps) + 4 * eps + 4) by (field; lra). lra. }
exists Ts. split; [unfold Ts; lra|split; assumption].
Qed.

(* Optima: the soft Bellman equation has a solution. *)
Example share_tends_to_one_met n ref r right Td g eps : open_chain n ref r right -> 0 < Td -> 0 <= g <= 1 -> 0 < eps -> exists Ts V,
  Phi n ref r (ind right) (fun _ => 0) Ts Td g V = V
  /\ let share := decision_share n ref r (tilt n ref Ts (W r (ind right) (fun _ => 0) Td g V)) (s_opt r (ind right) (fun _ => 0) Td g V) right in
     - eps <= 1 - share <= eps.
Proof.
intros O HT G E. destruct (share_tends_to_one n ref r right Td g O HT G) as [k [K H]]. destruct O as [Rq [Rp [Ri _]]].
destruct (hot_enough k eps K E) as [Ts [T4 [K4 KB]]].
destruct (terminal_unique n ref r (ind right) Ts Td g Rp Rq Ri ltac:(lra) HT G ltac:(intros; apply ind_in)) as [V [HV _]].
exists Ts, V. split; [exact HV|]. destruct (H Ts V T4 K4 HV) as [_ S]. cbv zeta. lra.
Qed.

Example E3_minimal_met g eps : 0 <= g <= 1 -> 0 < eps -> let ref := two (1 / 2) (1 - 1 / 2) in let right := Nat.eqb 0 in exists Ts V,
  Phi 2 ref ref (ind right) (fun _ => 0) Ts 1 g V = V
  /\ 1 - decision_share 2 ref ref (tilt 2 ref Ts (W ref (ind right) (fun _ => 0) 1 g V)) (s_opt ref (ind right) (fun _ => 0) 1 g V) right <= eps.
Proof.
intros G E ref right. destruct (E3_minimal (1 / 2) (1 / 2) (1 / 2) 1 g ltac:(lra) ltac:(lra) ltac:(lra) ltac:(lra) G) as [k [K H]].
destruct (hot_enough k eps K E) as [Ts [T4 [K4 KB]]].
destruct (two_right_open (1 / 2) (1 / 2) (1 / 2) ltac:(lra) ltac:(lra) ltac:(lra)) as [Rq [Rp [Ri _]]].
destruct (terminal_unique 2 ref ref (ind right) Ts 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G ltac:(intros; apply ind_in)) as [V [HV _]].
exists Ts, V. split; [exact HV|]. apply Rle_trans with (1 := H Ts V T4 K4 HV), KB.
Qed.

(* A policy that remembers how often it has resampled, and stops the more rarely. *)
Example every_policy_met g : 0 <= g <= 1 -> let fair := two (1 / 2) (1 / 2) in let Rs := two 1 0 in let Rr (_ : nat) := 0 in
  let s (h : list nat) (_ : nat) := / (2 + INR (length h)) in exists V, Phi 2 fair fair Rs Rr 1 1 g V = V
  /\ forall eps, 0 < eps -> exists N, forall T, (N <= T)%nat -> earned 2 fair fair Rs Rr 1 1 g (fun _ => fair) s 0 T nil <= V + eps.
Proof.
intros G fair Rs Rr s. assert (Rp : forall i, (i < 2)%nat -> 0 < fair i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 fair = 1) by (simpl; field).
assert (Ri : forall y, (y < 2)%nat -> 0 < fair y < 1) by (intros [|i] _; simpl; lra).
assert (RR : forall y, (y < 2)%nat -> 0 <= Rs y <= 1) by (intros [|i] _; simpl; lra).
destruct (terminal_unique 2 fair fair Rs 1 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G RR) as [V [HV _]]. exists V. split; [exact HV|].
apply (every_policy 2 fair fair Rs Rr 1 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G (fun _ => fair) s (fun _ => Rq)
  (fun _ y H => Rlt_le _ _ (Rp y H)) ltac:(intros h y _; unfold s; pose proof (pos_INR (length h)); split;
    [apply Rlt_le, Rinv_0_lt_compat; lra | rewrite <- Rinv_1; apply Rinv_le_contravar; lra]) V nil HV).
Qed.

Example memory_attained_met g : 0 <= g <= 1 -> let fair := two (1 / 2) (1 / 2) in let Rs := two 1 0 in let Rr (_ : nat) := 0 in
  exists V, Phi 2 fair fair Rs Rr 1 1 g V = V
  /\ is_lim_seq (fun T => earned 2 fair fair Rs Rr 1 1 g (fun _ => tilt 2 fair 1 (W fair Rs Rr 1 g V)) (fun _ => s_opt fair Rs Rr 1 g V) 0 T nil) V.
Proof.
intros G fair Rs Rr. assert (Rp : forall i, (i < 2)%nat -> 0 < fair i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 fair = 1) by (simpl; field).
assert (Ri : forall y, (y < 2)%nat -> 0 < fair y < 1) by (intros [|i] _; simpl; lra).
assert (RR : forall y, (y < 2)%nat -> 0 <= Rs y <= 1) by (intros [|i] _; simpl; lra).
destruct (terminal_unique 2 fair fair Rs 1 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G RR) as [V [HV _]]. exists V. split; [exact HV|].
apply (memory_attained 2 fair fair Rs Rr 1 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G V nil HV).
Qed.

Example lengths_optimum_met : let fair := two (1 / 2) (1 / 2) in let T := two 1 2 in let Q := two 1 0 in exists mu,
  Sum 2 (tilt_each fair T Q mu) = 1 /\ penalised_each 2 fair T Q fair <= mu + Sum 2 (fun i => T i * tilt_each fair T Q mu i).
Proof.
intros fair T Q. assert (Rp : forall i, (i < 2)%nat -> 0 < fair i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 fair = 1) by (simpl; field).
assert (Tp : forall i, (i < 2)%nat -> 0 < T i) by (intros [|i] _; simpl; lra).
destruct (multiplier_unique 2 fair T Q ltac:(lia) Rp Rq Tp) as [mu [M _]]. exists mu. split; [exact M|].
apply (lengths_optimum 2 fair T Q Rp Tp mu fair M Rq (fun i H => Rlt_le _ _ (Rp i H))).
Qed.

(* Where all temperatures agree the reference is the optimum without reward. *)
Example reference_not_optimal_met T0 : 0 < T0 -> let fair := two (1 / 2) (1 / 2) in let T (_ : nat) := T0 in let Q (_ : nat) := 0 in
  (forall i, (i < 2)%nat -> tilt_each fair T Q (- T0) i = fair i) /\ T 0%nat = T 1%nat.
Proof.
intros P fair T Q. assert (E : forall i, (i < 2)%nat -> tilt_each fair T Q (- T0) i = fair i).
{ intros i _. unfold tilt_each, T, Q. replace ((0 - - T0) / T0 - 1) with 0 by (field; lra). rewrite exp_0. ring. }
split; [exact E|]. apply (reference_not_optimal 2 fair T Q ltac:(intros [|i] _; simpl; lra) ltac:(intros; exact P) (- T0) ltac:(reflexivity) E 0 1); lia.
Qed.
