(* Trees of rows: a row draws one of its symbols, is paid, and leads to the next row or to the end. Tokens and decisions of any number of
   turns are such a tree. Rows of one number share their logits. Energies of any set of rows, and how they depend on splitting. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Chain Trajectories Energy.
Open Scope R_scope.

(* End e: the end, paid e. Row i r next: the row with the logits of number i, reward r j of symbol j, and what follows it. *)
Inductive tree := End (e : R) | Row (i : nat) (r : nat -> R) (next : nat -> tree).

(* A property of all rows of a tree that can be drawn, m i the number of symbols of row i. *)
Fixpoint Every (m : nat -> nat) (P : nat -> (nat -> R) -> (nat -> tree) -> Prop) t : Prop :=
  match t with End _ => True | Row i r next => P i r next /\ forall j, (j < m i)%nat -> Every m P (next j) end.

Section Rows.
Variable m : nat -> nat.
Variable rho : nat -> nat -> R.

(* The mean of a function of the path, and of the sum over the rows of the path, each weighted by how often it is reached. *)
Fixpoint Mean t (F : list nat -> R) := match t with
  | End _ => F nil
  | Row i r next => Sum (m i) (fun j => rho i j * Mean (next j) (fun l => F (j :: l))) end.
Fixpoint Visits t (f : nat -> (nat -> R) -> (nat -> tree) -> R) := match t with
  | End _ => 0
  | Row i r next => f i r next + Sum (m i) (fun j => rho i j * Visits (next j) f) end.

(* What a path is paid, and its score in direction v of the logits. *)
Fixpoint paid t (l : list nat) := match t, l with End e, _ => e | Row i r next, j :: l => r j + paid (next j) l | _, _ => 0 end.
Definition row_score (v : nat -> nat -> R) i j := score (m i) (v i) (rho i) j.
Fixpoint path_score v t (l : list nat) := match t, l with Row i r next, j :: l => row_score v i j + path_score v (next j) l | _, _ => 0 end.

(* Worth of a tree, action values and advantages of a row, and the variance of what is paid. *)
Fixpoint worth t := match t with End e => e | Row i r next => Sum (m i) (fun j => rho i j * (r j + worth (next j))) end.
Definition advantage i (r : nat -> R) next j := r j + worth (next j) - worth (Row i r next).
Definition row_variance i r next := Sum (m i) (fun j => rho i j * advantage i r next j ^ 2).
Definition Variance t := Mean t (fun l => paid t l ^ 2) - worth t ^ 2.

Lemma mean_ext t : forall F G, (forall l, F l = G l) -> Mean t F = Mean t G.
Proof. induction t as [e|i r next I]; intros F G H; simpl; [apply H|]. apply Sum_ext; intros j _. f_equal. apply I. intro; apply H. Qed.

Lemma mean_plus t : forall F G, Mean t (fun l => F l + G l) = Mean t F + Mean t G.
Proof.
induction t as [e|i r next I]; intros F G; simpl; [reflexivity|]. rewrite <- Sum_plus. apply Sum_ext; intros j _.
rewrite (I j (fun l => F (j :: l)) (fun l => G (j :: l))). ring.
Qed.

Lemma mean_scal c t : forall F, Mean t (fun l => c * F l) = c * Mean t F.
Proof.
induction t as [e|i r next I]; intro F; simpl; [reflexivity|]. rewrite <- Sum_scal. apply Sum_ext; intros j _.
rewrite (I j (fun l => F (j :: l))). ring.
Qed.

Lemma visits_ext t : forall f g, Every m (fun i r next => f i r next = g i r next) t -> Visits t f = Visits t g.
Proof.
induction t as [e|i r next I]; intros f g H; simpl; [reflexivity|]. destruct H as [H K]. f_equal; [exact H|].
apply Sum_ext; intros j Hj. f_equal. apply I, K, Hj.
Qed.

Lemma visits_plus t f g : Visits t (fun i r next => f i r next + g i r next) = Visits t f + Visits t g.
Proof.
induction t as [e|i r next I]; simpl; [ring|].
rewrite (Sum_ext (m i) _ (fun j => rho i j * Visits (next j) f + rho i j * Visits (next j) g)) by (intros; rewrite I; ring).
rewrite Sum_plus. ring.
Qed.

Hypothesis sums : forall i, Sum (m i) (rho i) = 1.

Lemma mean_const c t : Mean t (fun _ => c) = c.
Proof.
induction t as [e|i r next I]; simpl; [reflexivity|]. rewrite (Sum_ext _ _ (fun j => rho i j * c)) by (intros; rewrite I; reflexivity).
rewrite Sum_scal_r, sums. ring.
Qed.

Lemma paid_mean t : Mean t (paid t) = worth t.
Proof.
induction t as [e|i r next I]; [reflexivity|]. cbn [Mean worth]. apply Sum_ext; intros j _. f_equal.
transitivity (Mean (next j) (fun l => r j + paid (next j) l)); [reflexivity|]. rewrite mean_plus, mean_const, I. reflexivity.
Qed.

Lemma row_score_mean v i : Sum (m i) (fun j => rho i j * row_score v i j) = 0.
Proof. apply score_mean_zero, sums. Qed.

Lemma path_score_mean v t : Mean t (path_score v t) = 0.
Proof.
induction t as [e|i r next I]; [reflexivity|]. cbn [Mean]. rewrite (Sum_ext _ _ (fun j => rho i j * row_score v i j)); [apply row_score_mean|].
intros j _. f_equal. transitivity (Mean (next j) (fun l => row_score v i j + path_score v (next j) l)); [reflexivity|].
rewrite mean_plus, mean_const, I. ring.
Qed.

(* The mean product of two scores, and of score and return, are sums over rows of what a visit adds. *)
Theorem path_information u v t : Mean t (fun l => path_score u t l * path_score v t l)
  = Visits t (fun i _ _ => Sum (m i) (fun j => rho i j * (row_score u i j * row_score v i j))).
Proof.
induction t as [e|i r next I]; [simpl; ring|]. cbn [Mean Visits]. rewrite <- Sum_plus. apply Sum_ext; intros j _. rewrite <- I, <- Rmult_plus_distr_l.
f_equal. transitivity (Mean (next j) (fun l => row_score u i j * row_score v i j + (row_score u i j * path_score v (next j) l
  + (row_score v i j * path_score u (next j) l + path_score u (next j) l * path_score v (next j) l)))).
- apply mean_ext. intro l. simpl. ring.
- rewrite !mean_plus, !mean_scal, mean_const, !path_score_mean. ring.
Qed.

Theorem path_slope v t : Mean t (fun l => paid t l * path_score v t l)
  = Visits t (fun i r next => Sum (m i) (fun j => rho i j * (advantage i r next j * row_score v i j))).
Proof.
induction t as [e|i r next I]; [simpl; ring|]. cbn [Mean Visits].
transitivity (Sum (m i) (fun j => rho i j * (advantage i r next j * row_score v i j) + rho i j * Visits (next j)
  (fun i r next => Sum (m i) (fun j => rho i j * (advantage i r next j * row_score v i j))) + worth (Row i r next) * (rho i j * row_score v i j))).
- apply Sum_ext; intros j _. rewrite <- I.
  replace (Mean (next j) (fun l => paid (Row i r next) (j :: l) * path_score v (Row i r next) (j :: l)))
    with (Mean (next j) (fun l => r j * row_score v i j + (r j * path_score v (next j) l
      + (row_score v i j * paid (next j) l + paid (next j) l * path_score v (next j) l)))) by (apply mean_ext; intro; simpl; ring).
  rewrite !mean_plus, !mean_scal, mean_const, path_score_mean, paid_mean. unfold advantage. ring.
- rewrite !Sum_plus, Sum_scal, row_score_mean. ring.
Qed.

(* The variance of what is paid is the sum over rows of visits times the mean squared advantage. *)
Theorem variance_rows t : Visits t row_variance = Variance t.
Proof.
induction t as [e|i r next I]; [unfold Variance; simpl; ring|]. cbn [Visits]. unfold Variance. cbn [Mean].
assert (A : row_variance i r next = Sum (m i) (fun j => rho i j * (r j + worth (next j)) ^ 2) - worth (Row i r next) ^ 2).
{ unfold row_variance, advantage. apply (variance (m i) (rho i) (fun j => r j + worth (next j)) (sums i)). }
rewrite A. rewrite (Sum_ext _ (fun j => rho i j * Mean (next j) (fun l => paid (Row i r next) (j :: l) ^ 2))
  (fun j => rho i j * (r j + worth (next j)) ^ 2 + rho i j * Visits (next j) row_variance)); [rewrite Sum_plus; ring|].
intros j _. rewrite I. unfold Variance.
replace (Mean (next j) (fun l => paid (Row i r next) (j :: l) ^ 2)) with (Mean (next j) (fun l => r j ^ 2 + ((2 * r j) * paid (next j) l
  + paid (next j) l ^ 2))) by (apply mean_ext; intro; simpl; ring).
rewrite !mean_plus, mean_scal, mean_const, paid_mean. ring.
Qed.

(* Directions that move the rows of a set S alone; energy of the set: x^T F x for any such x with F x = gradient on all such directions. *)
Variable S : nat -> bool.
Definition within (v : nat -> nat -> R) := forall i, S i = false -> forall j, v i j = 0.
Definition information_of t u v := Mean t (fun l => path_score u t l * path_score v t l).
Definition row_energy t := Visits t (fun i r next => if S i then row_variance i r next else 0).

Lemma within_score v i j : within v -> S i = false -> row_score v i j = 0.
Proof. intros W H. unfold row_score, score. rewrite (W i H). rewrite Sum_zero; [ring|]. intros k _. rewrite (W i H). ring. Qed.

(* a holds every row's advantages: rows that share logits have the same ones. *)
Definition shared t (a : nat -> nat -> R) := Every m (fun i r next => forall j, (j < m i)%nat -> a i j = advantage i r next j) t.
Definition steepest (a : nat -> nat -> R) i j := if S i then a i j else 0.

Lemma advantage_mean i r next : Sum (m i) (fun j => rho i j * advantage i r next j) = 0.
Proof.
unfold advantage. rewrite (Sum_ext _ _ (fun j => rho i j * (r j + worth (next j)) - worth (Row i r next) * rho i j)) by (intros; ring).
rewrite Sum_minus, Sum_scal, sums. simpl. ring.
Qed.

Lemma steepest_score a i r next j : (forall j, (j < m i)%nat -> a i j = advantage i r next j) -> (j < m i)%nat ->
  row_score (steepest a) i j = if S i then advantage i r next j else 0.
Proof.
intros H Hj. unfold row_score, score, steepest. destruct (S i).
- rewrite H by exact Hj. rewrite (Sum_ext _ _ (fun k => rho i k * advantage i r next k)) by (intros k Hk; rewrite H by exact Hk; reflexivity).
  rewrite advantage_mean. ring.
- rewrite Sum_zero by (intros; ring). ring.
Qed.

Lemma Every_and (P Q : nat -> (nat -> R) -> (nat -> tree) -> Prop) t : Every m P t -> (forall i r next, P i r next -> Q i r next) -> Every m Q t.
Proof. intros H K. induction t as [e|i r next I]; [exact H|]. destruct H as [A B]. split; [apply K, A | intros j Hj; apply I, B, Hj]. Qed.

Lemma steepest_solves t a v : shared t a -> within v -> information_of t (steepest a) v = Mean t (fun l => paid t l * path_score v t l).
Proof.
intros H W. unfold information_of. rewrite path_information, path_slope. apply visits_ext. apply Every_and with (1 := H).
intros i r next A. apply Sum_ext; intros j Hj. f_equal. rewrite (steepest_score a i r next j A Hj).
destruct (S i) eqn:E; [reflexivity|]. rewrite (within_score v i j W E). ring.
Qed.

Theorem energy_of_rows t a x : shared t a -> within x ->
  (forall v, within v -> information_of t x v = Mean t (fun l => paid t l * path_score v t l)) -> information_of t x x = row_energy t.
Proof.
intros H W X. assert (WA : within (steepest a)) by (intros i E j; unfold steepest; rewrite E; reflexivity).
assert (Y : information_of t x x = information_of t (steepest a) (steepest a)).
{ rewrite (X x W), <- (steepest_solves t a x H W). rewrite (steepest_solves t a (steepest a) H WA), <- (X _ WA).
  apply mean_ext. intro; ring. }
rewrite Y. unfold information_of. rewrite path_information. unfold row_energy. apply visits_ext. apply Every_and with (1 := H).
intros i r next A. destruct (S i) eqn:E.
- apply Sum_ext; intros j Hj. rewrite (steepest_score a i r next j A Hj), E. ring.
- apply Sum_zero; intros j Hj. rewrite (steepest_score a i r next j A Hj), E. ring.
Qed.
End Rows.

(* Softmax rows: the derivative of the mean payment as the logits z of all rows move in direction v. *)
Definition rows (m : nat -> nat) (z : nat -> nat -> R) i := softmax (m i) (z i).
Definition moved (z v : nat -> nat -> R) u i j := z i j + u * v i j.

Theorem tree_derive m z v t : (forall i, (0 < m i)%nat) -> forall F,
  is_derive (fun u => Mean m (rows m (moved z v u)) t F) 0 (Mean m (rows m z) t (fun l => F l * path_score m (rows m z) v t l)).
Proof.
intros N. induction t as [e|i r next I]; intro F; simpl.
- evar_last; [apply @is_derive_const | unfold zero; simpl; ring].
- apply Sum_derive. intros j Hj.
  assert (P0 : forall k, (k < m i)%nat -> rows m (moved z v 0) i k = rows m z i k).
  { intros k Hk. apply softmax_ext; [intros; unfold moved; ring | exact Hk]. }
  assert (D : is_derive (fun u => rows m (moved z v u) i j) 0 (rows m z i j * row_score m (rows m z) v i j)).
  { evar_last; [apply (softmax_derive (m i) (N i) (fun u => moved z v u i) (v i)); [exact Hj|]|].
    - intros k _. unfold moved. auto_derive; [trivial|]. ring.
    - change (softmax (m i) (moved z v 0 i)) with (rows m (moved z v 0) i). rewrite P0 by exact Hj. f_equal. unfold row_score, score. f_equal.
      apply Sum_ext; intros k Hk. rewrite P0 by exact Hk. reflexivity. }
  evar_last; [apply (product_derive (fun u => rows m (moved z v u) i j) (fun u => Mean m (rows m (moved z v u)) (next j) (fun l => F (j :: l))));
    [exact D | apply I]|].
  assert (E0 : forall t F, Mean m (rows m (moved z v 0)) t F = Mean m (rows m z) t F).
  { clear. induction t as [e|i r next I]; intro F; [reflexivity|]. simpl. apply Sum_ext; intros j Hj. rewrite I. f_equal.
    apply softmax_ext; [intros; unfold moved; ring | exact Hj]. }
  rewrite E0, P0 by exact Hj.
  replace (Mean m (rows m z) (next j) (fun l => F (j :: l) * (row_score m (rows m z) v i j + path_score m (rows m z) v (next j) l)))
    with (Mean m (rows m z) (next j) (fun l => row_score m (rows m z) v i j * F (j :: l) + F (j :: l) * path_score m (rows m z) v (next j) l))
    by (apply mean_ext; intro; ring).
  rewrite mean_plus, mean_scal. ring.
Qed.

(* F x = gradient in the rows of a set S, tested in every direction that moves them alone. *)
Definition natural m z t S x := within S x /\ forall v, within S v ->
  is_derive (fun u => Mean m (rows m (moved z v u)) t (paid t)) 0 (information_of m (rows m z) t x v).

(* B4-tokens, any tree of rows: tokens and decisions of any number of turns, all of them paid. The energy of any set of rows, whatever
   solution x it is taken at, is the sum over its rows of visits times mean squared advantage; a set and all other rows together have
   the variance of the return. *)
Theorem energy_law_rows m z t a : (forall i, (0 < m i)%nat) -> shared m (rows m z) t a ->
  (forall S, exists x, natural m z t S x)
  /\ (forall S x, natural m z t S x -> information_of m (rows m z) t x x
       = Visits m (rows m z) t (fun i r next => if S i : bool then row_variance m (rows m z) i r next else 0))
  /\ (forall S x x', natural m z t S x -> natural m z t (fun i => negb (S i)) x' ->
       information_of m (rows m z) t x x + information_of m (rows m z) t x' x' = Variance m (rows m z) t).
Proof.
intros N H. assert (P : forall i, Sum (m i) (rows m z i) = 1) by (intro; apply softmax_sum, N).
assert (E : forall S x, natural m z t S x -> information_of m (rows m z) t x x = row_energy m (rows m z) S t).
{ intros S x [W D]. apply (energy_of_rows m (rows m z) P S t a x H W). intros v V. rewrite <- (is_derive_unique _ _ _ (D v V)).
  apply is_derive_unique, tree_derive, N. }
split; [|split; [exact E|]].
- intro S. exists (steepest S a). split; [intros i X j; unfold steepest; rewrite X; reflexivity|].
  intros v V. rewrite (steepest_solves m (rows m z) P S t a v H V). apply tree_derive, N.
- intros S x x' X X'. rewrite (E _ _ X), (E _ _ X'). unfold row_energy. rewrite <- visits_plus, <- variance_rows by exact P. apply visits_ext.
  apply Every_and with (1 := H). intros i r next _. destruct (S i); simpl; ring.
Qed.

(* B5, padding: rows whose symbols all have the same worth have no gradient. *)
Theorem padding_zero m z t S v : (forall i, (0 < m i)%nat) -> within S v ->
  Every m (fun i r next => S i = true -> forall j, (j < m i)%nat -> advantage m (rows m z) i r next j = 0) t ->
  is_derive (fun u => Mean m (rows m (moved z v u)) t (paid t)) 0 0.
Proof.
intros N W H. assert (P : forall i, Sum (m i) (rows m z i) = 1) by (intro; apply softmax_sum, N).
evar_last; [apply tree_derive, N|]. rewrite path_slope by exact P.
transitivity (Visits m (rows m z) t (fun _ _ _ => 0)).
- apply visits_ext. apply Every_and with (1 := H). intros i r next A. apply Sum_zero; intros j Hj. destruct (S i) eqn:E.
  + rewrite A by auto. ring.
  + rewrite (within_score m (rows m z) S v i j W E). ring.
- clear. induction t as [e|i r next I]; simpl; [reflexivity|]. rewrite Sum_zero by (intros; rewrite I; ring). ring.
Qed.

(* Rows of their own for every prefix and turn: no number is used twice. Then one a holds every row's advantages. *)
Fixpoint below n (p : nat -> bool) := match n with O => false | S n => orb (below n p) (p n) end.
Fixpoint first n (p : nat -> bool) := match n with O => O | S n => if below n p then first n p else n end.

Lemma below_iff n p : below n p = true <-> exists j, (j < n)%nat /\ p j = true.
Proof.
induction n as [|n I]; simpl; [split; [discriminate | intros [j [H _]]; lia]|]. rewrite Bool.orb_true_iff, I. split.
- intros [[j [H E]]|E]; [exists j | exists n]; split; auto with arith.
- intros [j [H E]]. destruct (Nat.eq_dec j n) as [->|N]; [right; exact E | left; exists j; split; [lia | exact E]].
Qed.

Lemma first_found n p : below n p = true -> (first n p < n)%nat /\ p (first n p) = true.
Proof.
induction n as [|n I]; simpl; [discriminate|]. destruct (below n p) eqn:B; intro H; [destruct (I eq_refl); split; [lia | assumption] | split; [lia | exact H]].
Qed.

Section Own.
Variables (m : nat -> nat) (rho : nat -> nat -> R).
Fixpoint has t i := match t with End _ => false | Row k r next => orb (Nat.eqb k i) (below (m k) (fun j => has (next j) i)) end.
Fixpoint apart t := match t with End _ => True | Row k r next =>
  (forall j, (j < m k)%nat -> has (next j) k = false)
  /\ (forall j l i, (j < m k)%nat -> (l < m k)%nat -> has (next j) i = true -> has (next l) i = true -> j = l)
  /\ forall j, (j < m k)%nat -> apart (next j) end.
Fixpoint own t i j := match t with End _ => 0 | Row k r next =>
  if Nat.eqb k i then advantage m rho k r next j else own (next (first (m k) (fun c => has (next c) i))) i j end.

Lemma Every_has (P : nat -> (nat -> R) -> (nat -> tree) -> Prop) (X : nat -> Prop) t :
  Every m P t -> (forall i, has t i = true -> X i) -> Every m (fun i r next => P i r next /\ X i) t.
Proof.
induction t as [e|k r next I]; intros H K; [exact H|]. destruct H as [H J]. split.
- split; [exact H|]. apply K. simpl. rewrite Nat.eqb_refl. reflexivity.
- intros j Hj. apply I; [apply J, Hj|]. intros i E. apply K. simpl. apply Bool.orb_true_iff. right. apply below_iff. exists j. split; assumption.
Qed.

Theorem own_rows t : apart t -> shared m rho t (own t).
Proof.
induction t as [e|k r next I]; intro H; [exact H|]. destruct H as [A [B C]]. split.
- intros j _. simpl own. rewrite Nat.eqb_refl. reflexivity.
- intros c Hc. pose proof (Every_has _ (fun i => has (next c) i = true) (next c) (I c (C c Hc)) (fun i E => E)) as F.
  apply Every_and with (1 := F). intros i r' next' [E Hi] j Hj. rewrite <- E by exact Hj. simpl own.
  destruct (Nat.eqb k i) eqn:Q; [apply Nat.eqb_eq in Q; subst; rewrite (A c Hc) in Hi; discriminate|].
  assert (G : below (m k) (fun c => has (next c) i) = true) by (apply below_iff; exists c; split; assumption).
  destruct (first_found _ _ G) as [G1 G2]. rewrite (B _ c i G1 Hc G2 Hi). reflexivity.
Qed.
End Own.
