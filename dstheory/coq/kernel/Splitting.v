(* Answers as sequences of tokens: splitting and padding change no energy of a stage, and what independent tokens lose. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Chain Trajectories Energy Trees.
Open Scope R_scope.

(* An answer y is the end of a path of token rows; several paths may end in one answer (padding). *)
Inductive tokens := Answer (y : nat) | Token (i : nat) (next : nat -> tokens).

Section Tokens.
Variables (m : nat -> nat) (rho : nat -> nat -> R).
Hypothesis sums : forall i, Sum (m i) (rho i) = 1.
Variable n : nat.

(* Answers that a tree of tokens can give, the probability of each, a mean over them; and the tree of rows that goes on after them. *)
Fixpoint ends_in (P : nat -> Prop) w : Prop := match w with Answer y => P y | Token i next => forall j, (j < m i)%nat -> ends_in P (next j) end.
Fixpoint drawn (P : nat -> Prop) w : Prop := match w with Answer y => True | Token i next => P i /\ forall j, (j < m i)%nat -> drawn P (next j) end.
Fixpoint chance w y := match w with Answer x => delta y x | Token i next => Sum (m i) (fun j => rho i j * chance (next j) y) end.
Fixpoint over w (f : nat -> R) := match w with Answer y => f y | Token i next => Sum (m i) (fun j => rho i j * over (next j) f) end.
Fixpoint graft w (k : nat -> tree) := match w with Answer y => k y | Token i next => Row i (fun _ => 0) (fun j => graft (next j) k) end.

Lemma over_chance w f : ends_in (fun y => (y < n)%nat) w -> over w f = Sum n (fun y => chance w y * f y).
Proof.
induction w as [y|i next I]; intro H; simpl.
- rewrite (Sum_ext n _ (fun x => f x * delta x y)) by (intros; ring). symmetry. apply Sum_delta, H.
- rewrite (Sum_ext _ _ (fun j => Sum n (fun y => rho i j * (chance (next j) y * f y)))) by (intros j Hj; rewrite Sum_scal, I by (apply H, Hj); reflexivity).
  rewrite Sum_swap. apply Sum_ext; intros y _. rewrite <- Sum_scal_r. apply Sum_ext; intros; ring.
Qed.

Lemma over_plus w f h : over w (fun y => f y + h y) = over w f + over w h.
Proof. induction w as [y|i next I]; simpl; [reflexivity|]. rewrite <- Sum_plus. apply Sum_ext; intros j _. rewrite I. ring. Qed.

Lemma over_ext w f h : (forall y, f y = h y) -> over w f = over w h.
Proof. intro H. induction w as [y|i next I]; simpl; [apply H|]. apply Sum_ext; intros j _. rewrite I. reflexivity. Qed.

Lemma over_const w c : over w (fun _ => c) = c.
Proof.
induction w as [y|i next I]; simpl; [reflexivity|]. rewrite (Sum_ext _ _ (fun j => rho i j * c)) by (intros; rewrite I; reflexivity).
rewrite Sum_scal_r, sums. ring.
Qed.

Lemma over_scal w c f : over w (fun y => c * f y) = c * over w f.
Proof. induction w as [y|i next I]; simpl; [reflexivity|]. rewrite <- Sum_scal. apply Sum_ext; intros j _. rewrite I. ring. Qed.

Lemma chance_sum w : ends_in (fun y => (y < n)%nat) w -> Sum n (chance w) = 1.
Proof. intro H. rewrite (Sum_ext n _ (fun y => chance w y * 1)) by (intros; ring). rewrite <- over_chance by exact H. apply over_const. Qed.

Lemma graft_worth w k : worth m rho (graft w k) = over w (fun y => worth m rho (k y)).
Proof. induction w as [y|i next I]; simpl; [reflexivity|]. apply Sum_ext; intros j _. rewrite I. ring. Qed.

Lemma over_square w k c : let v := worth m rho (graft w k) in
  over w (fun y => (worth m rho (k y) - c) ^ 2) = over w (fun y => (worth m rho (k y) - v) ^ 2) + (v - c) ^ 2.
Proof.
intro v. transitivity (over w (fun y => (worth m rho (k y) - v) ^ 2 + ((2 * (v - c)) * worth m rho (k y) + ((v - c) ^ 2 - 2 * (v - c) * v)))).
- apply over_ext. intro. ring.
- rewrite over_plus, over_plus, over_scal, over_const, <- graft_worth. fold v. ring.
Qed.

Lemma row_energy_row S i r next : row_energy m rho S (Row i r next)
  = (if S i : bool then row_variance m rho i r next else 0) + Sum (m i) (fun j => rho i j * row_energy m rho S (next j)).
Proof. reflexivity. Qed.

(* The energies of all token rows of an answer are together the variance of the answers' worth, however they are split; *)
Theorem token_rows S w k : drawn (fun i => S i = true) w -> row_energy m rho S (graft w k)
  = over w (fun y => (worth m rho (k y) - worth m rho (graft w k)) ^ 2) + over w (fun y => row_energy m rho S (k y)).
Proof.
induction w as [y|i next I]; intro H; [simpl; ring|]. destruct H as [Hi H]. cbn [graft]. rewrite row_energy_row, Hi. set (v := worth m rho (Row i (fun _ => 0) (fun j => graft (next j) k))).
unfold row_variance, advantage. fold v. cbn [over].
rewrite <- !Sum_plus. apply Sum_ext; intros j Hj.
rewrite I by (apply H, Hj). rewrite (over_square (next j) k v). ring.
Qed.

(* rows of other kinds are not touched. *)
Theorem other_rows S w k : drawn (fun i => S i = false) w -> row_energy m rho S (graft w k) = over w (fun y => row_energy m rho S (k y)).
Proof.
induction w as [y|i next I]; intro H; [reflexivity|]. destruct H as [Hi H]. cbn [graft over]. rewrite row_energy_row, Hi, Rplus_0_l. apply Sum_ext; intros j Hj. f_equal. apply I, H, Hj.
Qed.

(* A chain: tokens w k at turn k, then the decision row dec k y, whose symbol 0 stops, T decisions before the last answer is submitted. *)
Variables (w : nat -> tokens) (dec : nat -> nat -> nat) (Rs Rr Rl : nat -> nat -> R).
Fixpoint token_chain T k := match T with
  | O => graft (w k) (fun y => End (Rl k y))
  | S T => graft (w k) (fun y => Row (dec k y) (two (Rs k y) (Rr k y)) (fun j => match j with O => End 0 | _ => token_chain T (S k) end)) end.

Hypothesis answers : forall k, ends_in (fun y => (y < n)%nat) (w k).
Hypothesis decisions : forall k y, m (dec k y) = 2%nat.
Definition answer_pi k y := chance (w k) y.
Definition answer_s k y := rho (dec k y) 0%nat.
Notation V := (V n answer_pi answer_s Rs Rr Rl 1).
Notation Q := (Q n answer_pi answer_s Rs Rr Rl 1).

Lemma answer_sums k : Sum n (answer_pi k) = 1.
Proof. apply chance_sum, answers. Qed.

Lemma resample_chance k y : rho (dec k y) 1%nat = 1 - answer_s k y.
Proof. pose proof (sums (dec k y)) as H. rewrite decisions in H. simpl in H. unfold answer_s. lra. Qed.

Lemma chain_worth T : forall k, worth m rho (token_chain T k) = V T k.
Proof.
induction T as [|T I]; intro k; rewrite bellman_capped by exact answer_sums; simpl token_chain; rewrite graft_worth, over_chance by apply answers.
- reflexivity.
- apply Sum_ext; intros y _. fold (answer_pi k y). f_equal. cbn [worth]. rewrite decisions. cbn [Sum two worth]. rewrite I, resample_chance.
  simpl. unfold Q_res, answer_s. ring.
Qed.

(* B5: the token rows of a chain have the energy of the sampling stage of the chain whose answers are drawn at once, with the same
   probabilities of answers, and its decision rows that of the decision stage; any tokens, alphabets and padding. *)
Theorem splitting S T : (forall k, drawn (fun i => S i = true) (w k)) -> (forall k y, S (dec k y) = false) -> forall k,
  row_energy m rho S (token_chain T k) = energy n answer_pi answer_s 1 (sampling_variance n answer_pi answer_s Rs Rr Rl 1) T k.
Proof.
intros HT HD. induction T as [|T I]; intro k.
- simpl token_chain. rewrite token_rows by apply HT.
  change (graft (w k) (fun y => End (Rl k y))) with (token_chain 0 k). rewrite chain_worth.
  rewrite !over_chance by apply answers. unfold energy. simpl. rewrite Nat.add_0_r. unfold sampling_variance, Energy.Q, row_energy. simpl.
  rewrite (Sum_zero n (fun y => chance (w k) y * 0)) by (intros; ring). unfold answer_pi. ring.
- pose proof (chain_worth (Datatypes.S T) k) as W. simpl token_chain in *. rewrite token_rows, W, energy_step, <- I by apply HT.
  rewrite !over_chance by apply answers. replace (1 ^ 2 * again n (answer_pi k) (answer_s k)) with (again n (answer_pi k) (answer_s k)) by ring. unfold sampling_variance, again. rewrite <- Sum_scal_r. f_equal;
  apply Sum_ext; intros y _; fold (answer_pi k y).
  + f_equal. f_equal. f_equal. simpl. rewrite decisions. simpl. rewrite chain_worth, resample_chance. unfold Q_res, answer_s. ring.
  + rewrite row_energy_row, HD, decisions. cbn [Sum]. rewrite resample_chance. unfold row_energy at 1. simpl Visits. ring.
Qed.

Theorem splitting_decisions S T : (forall k, drawn (fun i => S i = false) (w k)) -> (forall k y, S (dec k y) = true) -> forall k,
  row_energy m rho S (token_chain T k) = energy n answer_pi answer_s 1 (decision_variance n answer_pi answer_s Rs Rr Rl 1) T k.
Proof.
intros HT HD. induction T as [|T I]; intro k.
- simpl token_chain. rewrite other_rows by apply HT. rewrite over_chance by apply answers. unfold energy, decision_variance. simpl.
  unfold row_energy. simpl. rewrite Sum_zero by (intros; ring). ring.
- simpl token_chain. rewrite other_rows by apply HT. rewrite energy_step, <- I. rewrite over_chance by apply answers.
  replace (1 ^ 2 * again n (answer_pi k) (answer_s k)) with (again n (answer_pi k) (answer_s k)) by ring. unfold decision_variance, again. rewrite <- Sum_scal_r, <- Sum_plus. apply Sum_ext; intros y _. fold (answer_pi k y).
  rewrite row_energy_row, HD. unfold row_variance, advantage. cbn [worth]. rewrite decisions. cbn [Sum two]. rewrite chain_worth, resample_chance.
  unfold row_energy at 1. simpl Visits. cbn [worth]. unfold Q_res, answer_s. ring.
Qed.
End Tokens.

(* B5 for softmax rows: the energy x^T F x of the token rows at any x with F x = gradient is the sampling stage's, of the decision rows the
   decision stage's, of the chain whose answers are drawn at once. *)
Theorem splitting_stages m z n w dec Rs Rr Rl T a S : (forall i, (0 < m i)%nat) ->
  (forall k, ends_in m (fun y => (y < n)%nat) (w k)) -> (forall k y, m (dec k y) = 2%nat) ->
  (forall k, drawn m (fun i => S i = true) (w k)) -> (forall k y, S (dec k y) = false) ->
  let t := token_chain w dec Rs Rr Rl T 0 in
  let pi k y := chance m (rows m z) (w k) y in let s k y := rows m z (dec k y) 0 in
  shared m (rows m z) t a -> forall x x', natural m z t S x -> natural m z t (fun i => negb (S i)) x' ->
  information_of m (rows m z) t x x = energy n pi s 1 (sampling_variance n pi s Rs Rr Rl 1) T 0
  /\ information_of m (rows m z) t x' x' = energy n pi s 1 (decision_variance n pi s Rs Rr Rl 1) T 0.
Proof.
intros N A D HT HD t pi s H x x' X X'. assert (P : forall i, Sum (m i) (rows m z i) = 1) by (intro; apply softmax_sum, N).
destruct (energy_law_rows m z t a N H) as [_ [E _]]. rewrite (E S x X), (E _ x' X'). split.
- apply (splitting m (rows m z) P n w dec Rs Rr Rl A D S T HT HD 0%nat).
- apply (splitting_decisions m (rows m z) P n w dec Rs Rr Rl A D (fun i => negb (S i)) T); [|intros; rewrite HD; reflexivity].
  intro k. assert (F : forall v, drawn m (fun i => S i = true) v -> drawn m (fun i => negb (S i) = false) v); [|apply F, HT].
  induction v as [y|i next I]; intro G; [exact G|]. destruct G as [G K]. split; [rewrite G; reflexivity | intros j Hj; apply I, K, Hj].
Qed.

(* Two answers of one token each: row 3 k draws that of turn k, rows 3 k + 1 and 3 k + 2 decide after it. *)
Definition two_answers k := Token (3 * k) (fun j => Answer j).
Definition their_decisions k y := (3 * k + match y with O => 1 | _ => 2 end)%nat.
Definition draws i := Nat.eqb (Nat.modulo i 3) 0.

Lemma two_answers_rows k y : draws (3 * k) = true /\ draws (their_decisions k y) = false.
Proof.
unfold draws, their_decisions. rewrite (Nat.mul_comm 3 k). split; [rewrite Nat.mod_mul by lia; reflexivity|].
rewrite Nat.add_comm, Nat.mod_add by lia. destruct y; reflexivity.
Qed.

Example token_rows_met z k : let m (_ : nat) := 2%nat in let rho := rows m z in let t := graft (two_answers 0) k in
  row_energy m rho draws t = over m rho (two_answers 0) (fun y => (worth m rho (k y) - worth m rho t) ^ 2)
    + over m rho (two_answers 0) (fun y => row_energy m rho draws (k y)).
Proof.
intros m rho t. apply (token_rows m rho ltac:(intro; apply softmax_sum; unfold m; lia) draws (two_answers 0) k).
split; [reflexivity | intros; exact I].
Qed.

Example other_rows_met z k : let m (_ : nat) := 2%nat in let rho := rows m z in let others i := negb (draws i) in
  row_energy m rho others (graft (two_answers 0) k) = over m rho (two_answers 0) (fun y => row_energy m rho others (k y)).
Proof. intros m rho others. apply (other_rows m rho others (two_answers 0) k). split; [reflexivity | intros; exact I]. Qed.

Example splitting_met z Rs Rr Rl T k : let rho := rows (fun _ => 2%nat) z in
  let pi k y := chance (fun _ => 2%nat) rho (two_answers k) y in let s k y := rho (their_decisions k y) 0%nat in
  row_energy (fun _ => 2%nat) rho draws (token_chain two_answers their_decisions Rs Rr Rl T k)
  = energy 2 pi s 1 (sampling_variance 2 pi s Rs Rr Rl 1) T k.
Proof.
intros rho pi s. apply (splitting (fun _ => 2%nat) rho ltac:(intro; apply softmax_sum; lia) 2 two_answers their_decisions Rs Rr Rl
  ltac:(intros l j Hj; exact Hj) ltac:(reflexivity)); intro l; [|apply two_answers_rows].
split; [apply (two_answers_rows l 0) | intros; exact I].
Qed.

Example splitting_decisions_met z Rs Rr Rl T k : let rho := rows (fun _ => 2%nat) z in
  let pi k y := chance (fun _ => 2%nat) rho (two_answers k) y in let s k y := rho (their_decisions k y) 0%nat in
  row_energy (fun _ => 2%nat) rho (fun i => negb (draws i)) (token_chain two_answers their_decisions Rs Rr Rl T k)
  = energy 2 pi s 1 (decision_variance 2 pi s Rs Rr Rl 1) T k.
Proof.
intros rho pi s. apply (splitting_decisions (fun _ => 2%nat) rho ltac:(intro; apply softmax_sum; lia) 2 two_answers their_decisions Rs Rr Rl
  ltac:(intros l j Hj; exact Hj) ltac:(reflexivity)); intros l.
- split; [rewrite (proj1 (two_answers_rows l 0)); reflexivity | intros; exact I].
- intro y. rewrite (proj2 (two_answers_rows l y)). reflexivity.
Qed.

Example splitting_stages_met z Rs Rr Rl : let m (_ : nat) := 2%nat in let t := token_chain two_answers their_decisions Rs Rr Rl 1 0 in
  let pi k y := chance m (rows m z) (two_answers k) y in let s k y := rows m z (their_decisions k y) 0%nat in
  exists a x x', shared m (rows m z) t a /\ natural m z t draws x /\ natural m z t (fun i => negb (draws i)) x'
  /\ information_of m (rows m z) t x x = energy 2 pi s 1 (sampling_variance 2 pi s Rs Rr Rl 1) 1 0
  /\ information_of m (rows m z) t x' x' = energy 2 pi s 1 (decision_variance 2 pi s Rs Rr Rl 1) 1 0.
Proof.
intros m t pi s. set (rho := rows m z). assert (N : forall i, (0 < m i)%nat) by (intro; unfold m; lia).
set (last := Row 3 (fun _ => 0) (fun j => End (Rl 1%nat j))).
set (then_ (y j : nat) := match j with O => End 0 | _ => last end).
set (decide y := Row (their_decisions 0 y) (two (Rs 0%nat y) (Rr 0%nat y)) (then_ y)).
set (a i j := match i with
  | O => advantage m rho 0 (fun _ => 0) decide j
  | 1%nat => advantage m rho 1 (two (Rs 0%nat 0%nat) (Rr 0%nat 0%nat)) (then_ 0%nat) j
  | 2%nat => advantage m rho 2 (two (Rs 0%nat 1%nat) (Rr 0%nat 1%nat)) (then_ 1%nat) j
  | _ => advantage m rho 3 (fun _ => 0) (fun j => End (Rl 1%nat j)) j end).
assert (H : shared m rho t a).
{ split; [intros; reflexivity|]. intros [|[|y]] Hy; [| |unfold m in Hy; lia]; (split; [intros; reflexivity|]);
    intros [|j] _; try exact I; (split; [intros; reflexivity | intros; exact I]). }
destruct (energy_law_rows m z t a N H) as [E _]. destruct (E draws) as [x X]. destruct (E (fun i => negb (draws i))) as [x' X'].
exists a, x, x'. split; [exact H|]. split; [exact X|]. split; [exact X'|].
apply (splitting_stages m z 2 two_answers their_decisions Rs Rr Rl 1 a draws N ltac:(intros l j Hj; exact Hj) ltac:(reflexivity)
  ltac:(intro l; split; [apply (two_answers_rows l 0) | intros; exact I]) ltac:(intros l y; apply two_answers_rows) H x x' X X').
Qed.

(* Independent tokens: row i is drawn whatever the tokens before it. Reward 1 if all of L tokens hit. *)
Fixpoint line L i := match L with O => End 0 | S L => Row i (fun _ => 0) (fun _ => line L (S i)) end.
Fixpoint all_hit (h : nat -> nat -> R) i (l : list nat) := match l with nil => 1 | j :: l => h i j * all_hit h (S i) l end.

Section Independent.
Variables (m : nat -> nat) (rho h : nat -> nat -> R).
Hypothesis sums : forall i, Sum (m i) (rho i) = 1.
Hypothesis hits : forall i j, h i j = 0 \/ h i j = 1.
Definition hit_chance i := Sum (m i) (fun j => rho i j * h i j).
Fixpoint product L i := match L with O => 1 | S L => hit_chance i * product L (S i) end.
Definition losses L i := Sum L (fun k => (1 - hit_chance (i + k)) / hit_chance (i + k)).
Hypothesis possible : forall i, 0 < hit_chance i <= 1.

Lemma line_mean L : forall i, Mean m rho (line L i) (all_hit h i) = product L i.
Proof.
induction L as [|L I]; intro i; [reflexivity|]. cbn [line Mean product]. unfold hit_chance. rewrite <- Sum_scal_r.
apply Sum_ext; intros j _. rewrite Rmult_assoc. f_equal. rewrite <- I. rewrite <- mean_scal. reflexivity.
Qed.

Lemma product_in L : forall i, 0 < product L i <= 1.
Proof. induction L as [|L I]; intro i; simpl; [lra|]. pose proof (I (S i)). pose proof (possible i). split; [apply Rmult_lt_0_compat; lra | nra]. Qed.

Lemma line_slope v L : forall i, Mean m rho (line L i) (fun l => all_hit h i l * path_score m rho v (line L i) l)
  = Sum L (fun k => product L i / hit_chance (i + k) * Sum (m (i + k)%nat) (fun j => rho (i + k)%nat j * (h (i + k)%nat j * row_score m rho v (i + k) j))).
Proof.
induction L as [|L I]; intro i; [simpl; ring|]. rewrite Sum_first, Nat.add_0_r. cbn [line Mean product]. pose proof (possible i) as Pi.
rewrite (Sum_ext L _ (fun k => hit_chance i * (product L (S i) / hit_chance (S i + k)
  * Sum (m (S i + k)%nat) (fun j => rho (S i + k)%nat j * (h (S i + k)%nat j * row_score m rho v (S i + k) j))))).
2:{ intros k _. replace (i + S k)%nat with (S i + k)%nat by lia. unfold Rdiv. ring. }
rewrite Sum_scal, <- I. set (U := Mean m rho (line L (S i)) _).
transitivity (Sum (m i) (fun j => product L (S i) * (rho i j * (h i j * row_score m rho v i j)) + rho i j * h i j * U)).
- apply Sum_ext; intros j _.
  replace (Mean m rho (line L (S i)) (fun l => all_hit h i (j :: l) * path_score m rho v (Row i (fun _ => 0) (fun _ => line L (S i))) (j :: l)))
    with (Mean m rho (line L (S i)) (fun l => (h i j * row_score m rho v i j) * all_hit h (S i) l
      + h i j * (all_hit h (S i) l * path_score m rho v (line L (S i)) l))) by (apply mean_ext; intro; simpl; ring).
  rewrite mean_plus, !mean_scal, line_mean. fold U. ring.
- rewrite Sum_plus, Sum_scal, Sum_scal_r. fold (hit_chance i). field. lra.
Qed.

Lemma line_information u v L : forall i, information_of m rho (line L i) u v
  = Sum L (fun k => Sum (m (i + k)%nat) (fun j => rho (i + k)%nat j * (row_score m rho u (i + k) j * row_score m rho v (i + k) j))).
Proof.
intro i. unfold information_of. rewrite path_information by exact sums. revert i. induction L as [|L I]; intro i; [reflexivity|].
rewrite Sum_first, Nat.add_0_r. cbn [line Visits]. f_equal. rewrite Sum_scal_r, sums, I, Rmult_1_l. apply Sum_ext; intros k _.
replace (S i + k)%nat with (i + S k)%nat by lia. reflexivity.
Qed.

(* The solution: the chance that all other tokens hit, at the symbols that hit. *)
Definition others L i j := product L 0 / hit_chance i * h i j.

Lemma others_score L i j : row_score m rho (others L) i j = product L 0 / hit_chance i * (h i j - hit_chance i).
Proof.
unfold row_score, score, others. rewrite (Sum_ext _ _ (fun k => product L 0 / hit_chance i * (rho i k * h i k))) by (intros; ring).
rewrite Sum_scal. fold (hit_chance i). ring.
Qed.

Lemma others_solve L v : information_of m rho (line L 0) (others L) v
  = Mean m rho (line L 0) (fun l => all_hit h 0 l * path_score m rho v (line L 0) l).
Proof.
rewrite line_information, line_slope. apply Sum_ext; intros k _. simpl (0 + k)%nat. rewrite <- Sum_scal.
transitivity (Sum (m k) (fun j => product L 0 / hit_chance k * (rho k j * (h k j * row_score m rho v k j)))
  - product L 0 * Sum (m k) (fun j => rho k j * row_score m rho v k j)); [|rewrite row_score_mean by exact sums; ring].
rewrite <- Sum_scal, <- Sum_minus. apply Sum_ext; intros j _. rewrite others_score. pose proof (possible k). field. lra.
Qed.

Lemma others_energy L : information_of m rho (line L 0) (others L) (others L) = product L 0 ^ 2 * losses L 0.
Proof.
rewrite line_information. unfold losses. rewrite <- Sum_scal. apply Sum_ext; intros k _. simpl (0 + k)%nat. pose proof (possible k).
set (c := product L 0 / hit_chance k).
transitivity (Sum (m k) (fun j => c ^ 2 * (1 - 2 * hit_chance k) * (rho k j * h k j) + c ^ 2 * hit_chance k ^ 2 * rho k j)).
- apply Sum_ext; intros j _. rewrite others_score. fold c. destruct (hits k j) as [-> | ->]; ring.
- rewrite Sum_plus, !Sum_scal, sums. fold (hit_chance k). unfold c. field. lra.
Qed.

Lemma losses_bound L : forall i, product L i * (1 + losses L i) <= 1.
Proof.
induction L as [|L I]; intro i; [unfold losses; simpl; lra|]. unfold losses. rewrite Sum_first, Nat.add_0_r. cbn [product].
rewrite (Sum_ext L _ (fun k => (1 - hit_chance (S i + k)) / hit_chance (S i + k))) by (intros k _; replace (i + S k)%nat with (S i + k)%nat by lia; reflexivity).
fold (losses L (S i)). pose proof (I (S i)) as J. pose proof (product_in L (S i)). pose proof (possible i).
replace (hit_chance i * product L (S i) * (1 + ((1 - hit_chance i) / hit_chance i + losses L (S i))))
  with (hit_chance i * (product L (S i) * (1 + losses L (S i))) + (1 - hit_chance i) * product L (S i)) by (field; lra). nra.
Qed.

Lemma losses_bound_strict L i : (forall i, hit_chance i < 1) -> (2 <= L)%nat -> product L i * (1 + losses L i) < 1.
Proof.
intros Q H. destruct L as [|L]; [lia|]. destruct L as [|L]; [lia|]. unfold losses. rewrite Sum_first, Nat.add_0_r. cbn [product].
rewrite (Sum_ext (S L) _ (fun k => (1 - hit_chance (S i + k)) / hit_chance (S i + k))) by (intros k _; replace (i + S k)%nat with (S i + k)%nat by lia; reflexivity).
fold (losses (S L) (S i)). pose proof (losses_bound (S L) (S i)) as J. cbn [product] in J. pose proof (product_in L (S (S i))). pose proof (possible i).
pose proof (possible (S i)). pose proof (Q i). pose proof (Q (S i)). set (R := hit_chance (S i) * product L (S (S i))) in *.
assert (R1 : R < 1) by (unfold R; nra).
replace (hit_chance i * R * (1 + ((1 - hit_chance i) / hit_chance i + losses (S L) (S i))))
  with (hit_chance i * (R * (1 + losses (S L) (S i))) + (1 - hit_chance i) * R) by (field; lra). nra.
Qed.
End Independent.

(* B5-independent, any number L of tokens and any alphabets: the energy is P^2 sum (1 - h_i)/h_i, at most P (1 - P), the variance of the
   reward, which is the energy of prefix-conditional tokens; below it from two tokens on. *)
Theorem independent_tokens m z h L : (forall i, (0 < m i)%nat) -> (forall i j, h i j = 0 \/ h i j = 1) ->
  (forall i, 0 < hit_chance m (rows m z) h i < 1) ->
  let t := line L 0 in let P := Mean m (rows m z) t (all_hit h 0) in
  let solves x := forall v, is_derive (fun u => Mean m (rows m (moved z v u)) t (all_hit h 0)) 0 (information_of m (rows m z) t x v) in
  (exists x, solves x)
  /\ forall x, solves x -> let e := information_of m (rows m z) t x x in
    e = P ^ 2 * Sum L (fun i => (1 - hit_chance m (rows m z) h i) / hit_chance m (rows m z) h i)
    /\ e <= P * (1 - P) /\ ((2 <= L)%nat -> e < P * (1 - P)).
Proof.
intros N H Q t P solves. assert (HS : forall i, Sum (m i) (rows m z i) = 1) by (intro; apply softmax_sum, N).
assert (Q1 : forall i, 0 < hit_chance m (rows m z) h i <= 1) by (intro i; pose proof (Q i); lra).
set (o := others m (rows m z) h L).
assert (O : solves o).
{ intro v. unfold o, t. rewrite (others_solve m (rows m z) h HS Q1). apply tree_derive, N. }
split; [exists o; exact O|]. intros x X e.
assert (E : e = product m (rows m z) h L 0 ^ 2 * losses m (rows m z) h L 0).
{ rewrite <- (others_energy m (rows m z) h HS H Q1). fold t o.
  assert (S : forall v, information_of m (rows m z) t x v = information_of m (rows m z) t o v)
    by (intro v; rewrite <- (is_derive_unique _ _ _ (X v)); apply is_derive_unique, O).
  unfold e. rewrite S. unfold information_of at 1. rewrite (mean_ext m (rows m z) t _ (fun l => path_score m (rows m z) x t l * path_score m (rows m z) o t l))
    by (intro; ring). fold (information_of m (rows m z) t x o). apply S. }
assert (EP : P = product m (rows m z) h L 0) by (unfold P, t; apply line_mean).
pose proof (product_in m (rows m z) h Q1 L 0) as B. pose proof (losses_bound m (rows m z) h Q1 L 0) as C. rewrite E, EP. split; [reflexivity|].
split; [nra|]. intro L2. pose proof (losses_bound_strict m (rows m z) h Q1 L 0 (fun i => proj2 (Q i)) L2). nra.
Qed.

(* Rows of two symbols, of which the first hits. *)
Example independent_tokens_met z : let m (_ : nat) := 2%nat in let h (_ j : nat) := match j with O => 1 | _ => 0 end in let t := line 3 0 in
  let P := Mean m (rows m z) t (all_hit h 0) in exists x,
  (forall v, is_derive (fun u => Mean m (rows m (moved z v u)) t (all_hit h 0)) 0 (information_of m (rows m z) t x v))
  /\ information_of m (rows m z) t x x < P * (1 - P).
Proof.
intros m h t P. destruct (independent_tokens m z h 3 ltac:(intro; unfold m; lia) ltac:(intros i [|j]; [right | left]; reflexivity)) as [[x X] E].
- intro i. unfold hit_chance, m, h; simpl. pose proof (softmax_sum 2 ltac:(lia) (z i)) as S. simpl in S.
  pose proof (softmax_pos 2 ltac:(lia) (z i) 0). pose proof (softmax_pos 2 ltac:(lia) (z i) 1). unfold rows. lra.
- exists x. split; [exact X | apply E; [exact X | lia]].
Qed.
